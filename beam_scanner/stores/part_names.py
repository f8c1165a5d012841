"""Names of files that are not complete yet."""

from __future__ import annotations

import os
import secrets


def part_of(path: str) -> str:
    """A path to write to until the file is complete: in its folder, and not taken.

    Args:
        path: The file.

    Examples:
        >>> folder, _, name = part_of('out/a.csv').rpartition('/')
        >>> folder, name.startswith('.part-'), name.endswith('.csv')
        ('out', True, True)
    """
    # The file's own name may be as long as names can be, so it is not part of this one.
    extension = os.path.splitext(path)[1]
    return os.path.join(
        os.path.dirname(path), f".part-{secrets.token_hex(8)}{extension}"
    )
