"""Who people are and what they may do: users, roles, permissions, sessions, API tokens, audit."""
