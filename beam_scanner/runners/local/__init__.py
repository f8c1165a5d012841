"""Runs on this machine's cores: Beam's FnApiRunner with worker processes."""
