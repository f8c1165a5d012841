"""Quantities for people."""

from __future__ import annotations


def byte_text(count: int) -> str:
    """A number of bytes for people.

    Examples:
        >>> byte_text(999), byte_text(1_234_567)
        ('999 B', '1.2 MB')
    """
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
