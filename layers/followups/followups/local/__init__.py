"""The laptop's runtime: the same handlers, called with true event shapes, over a SQLite file."""
