"""Fixtures that several test modules share; its presence puts tests/ on the path."""
