"""Runs graphs as Beam pipelines: from streams that are bound to rows that are committed."""
