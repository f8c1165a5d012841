"""One task of a run: its attempts, the process that makes them, and what supervises it."""
