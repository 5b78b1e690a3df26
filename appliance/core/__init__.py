"""Foundations: database, dialect, clock, jobs, settings, secrets, HTTP helpers."""
