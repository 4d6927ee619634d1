"""A whole installation as one thing: carried over into a PostgreSQL, backed up, restored, and proven equal."""
