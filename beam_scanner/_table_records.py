"""Records of tables that have several columns."""

from __future__ import annotations

from typing import Any

from beam_scanner.errors import StorageError
from beam_scanner.storage.sealed import is_sealed, unseal

_FIELDS = ("name", "columns", "rows")


def parse_record(data: bytes, where: str) -> dict[str, Any]:
    """Reads the record of a table.

    Args:
        data: What is stored.
        where: What errors call the file.

    Returns:
        Its ``name``, ``columns`` and ``rows``.

    Raises:
        StorageError: It is damaged.
    """
    try:
        found = unseal(data, _FIELDS, required=False)
        # Without its checksum it has one field too many, unless it never had one.
        if not is_sealed(data) and set(found) != set(_FIELDS):
            raise ValueError(f"fields {', '.join(found)}")
        name, columns, rows = (found[what] for what in _FIELDS)
        texts = isinstance(columns, list) and all(isinstance(c, str) for c in columns)
        if not isinstance(name, str) or not texts or type(rows) is not int or rows < 0:
            raise ValueError(f"{name!r}, {columns!r}, {rows!r}")
    except (StorageError, ValueError) as error:
        raise StorageError(f"{where!r} is no record of a table: {error}") from error
    return found
