"""Guke 固客: a self-hosted customer-management appliance."""

__version__ = "0.1.0"
