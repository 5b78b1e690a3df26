"""What comes in from outside systems: calls of theirs that become records."""
