"""Files that appear under their name when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from beam_scanner.stores.object_store import storage_errors
from beam_scanner.stores.part_names import part_of


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
