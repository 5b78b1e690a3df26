"""Guke 固客: a self-hosted customer-management appliance."""

__version__ = "0.2.0"
