"""Measured claims, and the scripts that measure them."""
