"""The order in which people sort names."""

from __future__ import annotations

import re

_TOKENS = re.compile(r"([0-9]+)|(.)", re.DOTALL)


def natural_key(name: str) -> tuple[object, ...]:
    """A key by which names are sorted as people do: folder by folder, numbers by value.

    Upper and lower case count the same where anything else differs.

    Examples:
        >>> sorted(['film10', 'film.mp4', 'a/b', 'Film2', 'a b'], key=natural_key)
        ['a/b', 'a b', 'film.mp4', 'Film2', 'film10']
    """
    parts = tuple(
        # A number stands where digits stand among other characters.
        tuple(
            ("0", int(digits)) if digits else (other, 0)
            for digits, other in _TOKENS.findall(part.casefold())
        )
        for part in name.split("/")
    )
    return parts, name
