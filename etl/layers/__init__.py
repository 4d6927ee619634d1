"""What each layer does to one table."""
