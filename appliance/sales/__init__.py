"""Selling: leads, follow-ups, tasks with their reminders, and the pool of what nobody owns."""
