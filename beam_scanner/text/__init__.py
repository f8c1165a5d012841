"""Text that people read: escaped where others chose it, and bounded."""
