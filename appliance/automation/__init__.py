"""What happens by itself: rules, decision tables, the actions they share, and the log of what they did."""
