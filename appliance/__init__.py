"""Guke 固客: a self-hosted customer-management appliance."""

__version__ = "0.3.0"
