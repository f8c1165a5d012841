"""Segments: the files that hold the rows of stored streams."""
