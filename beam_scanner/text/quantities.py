"""Quantities for people."""

from __future__ import annotations

import re


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


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def byte_count(text: str) -> int | None:
    """A number of bytes as people write it; None if it is none.

    Examples:
        >>> byte_count('256MB'), byte_count('1.5 GiB'), byte_count('800')
        (256000000, 1610612736, 800)
        >>> byte_count('a lot')
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text, re.I)
    if found is None:
        return None
    units = _BINARY if found[3] else _UNITS
    return int(float(found[1]) * units[found[2].lower()])


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
