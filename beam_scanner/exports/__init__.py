"""Streams as files that other programs open: video, pictures, tables, lists of shots."""
