"""Outside systems that the company has set up: how each is reached, with its secrets sealed, and whether it answers."""
