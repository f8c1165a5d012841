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


def counted(count: int, what: str, several: str = "") -> str:
    """A number of things.

    Args:
        count: How many.
        what: What one is called.
        several: What others are called; with an 's' behind it if empty.

    Examples:
        >>> counted(1, 'stream'), counted(0, 'row'), counted(2, 'copy', 'copies')
        ('1 stream', '0 rows', '2 copies')
    """
    return f"{count} {what if count == 1 else several or what + 's'}"
