"""Tests, and what ./metalayer test and ./metalayer lock do."""
