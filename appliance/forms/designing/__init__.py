"""Changing what the company records: drafts, plans, publishing, conversion of values, the recycle bin, templates."""
