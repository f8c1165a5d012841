"""Files that appear under their name when they are complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from beam_scanner.stores.object_store import storage_errors


def part_of(path: str) -> str:
    """A path to write to until the file is complete: beside it, and no other file's.

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


@contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Gives the path to write to; what is there at the end gets the right name.

    Raises:
        StorageError: The file cannot be written.

    Examples:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.txt')
        >>> with whole_file(path) as part, open(part, 'w') as file:
        ...     _ = file.write('x')
        ...     print(os.path.exists(path))
        False
        >>> os.path.exists(path)
        True
    """
    part = part_of(path)
    try:
        with storage_errors("write", path):
            yield part
            os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)
