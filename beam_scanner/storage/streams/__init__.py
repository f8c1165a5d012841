"""Streams by kind: named ones, videos, audio, captions, files, values."""
