"""The command ``beam-scanner``."""
