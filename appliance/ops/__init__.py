"""Running the appliance: command line, server, backup and restore, checks, health."""
