"""Records of tables that have several columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.storage.sealed_files import is_sealed, unseal
from beam_scanner.storage.stream_names import stream_key

# Stream names are quoted so that none begins with a dot.
RECORD = ".table.json"
_COLUMNS = "columns"
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
        raise StorageError(
            f"{where!r} is not the record of a table: {error}"
        ) from error
    return found


def record_key(table: str) -> str:
    """The key of a table's record."""
    return f"{stream_key(table)}/{RECORD}"


def column_stream(table: str, column: str) -> str:
    """The stream that holds one of several columns of a table.

    Examples:
        >>> column_stream('pairs', 'a')
        'pairs/columns/a'
    """
    return f"{table}/{_COLUMNS}/{column}"


def column_streams(table: str, columns: Sequence[str]) -> dict[str, str]:
    """The stream of each column, by name of the column."""
    if isinstance(columns, str) or not columns:
        raise ArgumentError(f"expected a list of column names, got {columns!r}")
    names = list(columns)
    wrong = next((n for n in names if not isinstance(n, str) or not n), None)
    if wrong is not None or len(set(names)) < len(names):
        raise ArgumentError(
            f"columns of table {table!r} need distinct names, got {names!r}"
        )
    if names == ["column"]:
        return {"column": table}
    streams = {name: column_stream(table, name) for name in names}
    for stream in streams.values():
        stream_key(stream)
    return streams
