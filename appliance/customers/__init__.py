"""Customers: built-in forms, identities, metrics, tags, the 360° page."""
