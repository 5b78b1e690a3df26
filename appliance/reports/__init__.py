"""Reports: saved questions about records, their charts, and dashboards made of them."""
