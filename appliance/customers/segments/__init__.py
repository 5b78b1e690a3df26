"""Segments: saved questions about customers whose answers are kept. Only customers that a write (or the passing of time)
touches are asked about again; ``passes`` holds how.
"""
