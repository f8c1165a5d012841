"""Values of a stream as CSV, JSON, or one Parquet file."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from beam_scanner.errors import ElementTypeError
from beam_scanner.exports.whole_files import whole_file
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.streams.named import NamedStream


def write_table(stream: NamedStream, path: str) -> None:
    """Writes all rows of a stream to one file, whose extension says how.

    ``.parquet`` has the columns of the stream's own files: ``row``, ``time`` in seconds
    and ``value``. ``.csv`` has a column for each field of a struct, and lists as JSON.
    ``.json`` is an array of objects, one a line. Bytes become base64 in both; null rows
    are empty, and ``null``.

    Raises:
        ElementTypeError: The values are pickles.
        StorageError: The file cannot be written, or a stored one is damaged.

    Examples:
        >>> import tempfile
        >>> from beam_scanner.storage import NamedStorage
        >>> folder = tempfile.mkdtemp()
        >>> stream = NamedStream(NamedStorage(folder + '/db'), 'sizes')
        >>> stream.save([{'width': 4}, {'width': 6}], ty=dict[str, int])
        >>> write_table(stream, folder + '/sizes.json')
        >>> print(open(folder + '/sizes.json').read(), end='')
        [
        {"row": 0, "time": null, "value": {"width": 4}},
        {"row": 1, "time": null, "value": {"width": 6}}
        ]
    """
    _check_typed(stream)
    write = _WRITERS[path.rpartition(".")[2]]
    with whole_file(path) as part:
        write(stream, part)


TABLES = ("csv", "json", "parquet")
"""Kinds of tables, by extension."""


def _check_typed(stream: NamedStream) -> None:
    kind = stream.type()
    frames = any(record["kind"] != "blob" for record in stream.descriptor().segments)
    if frames or (kind is not None and kind.unpickles and kind.to_arrow is None):
        held = "frames" if frames else "pickles, which no other program reads"
        raise ElementTypeError(
            f"stream {stream.name()!r} holds {held}: a table has values of a type that "
            "the kernel's annotation names"
        )


def _parquet_files(stream: NamedStream) -> Iterator[Any]:
    from beam_scanner.storage.parquet_files import open_parquet

    found = stream.descriptor()
    store = stream.storage().store()
    for record in found.segments:
        files = SegmentFiles(store, found.name, found.generation, record)
        with open_parquet(files.open(record["files"][0])) as file:
            yield file


def _write_parquet(stream: NamedStream, path: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    try:
        for file in _parquet_files(stream):
            schema = file.schema_arrow.remove_metadata()
            writer = writer or pq.ParquetWriter(path, schema, compression="zstd")
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, use_threads=False)
                writer.write_table(table.replace_schema_metadata().cast(schema))
        if writer is None:
            empty = pa.schema(
                [("row", pa.int64()), ("time", pa.float64()), ("value", pa.null())]
            )
            writer = pq.ParquetWriter(path, empty, compression="zstd")
    finally:
        if writer is not None:
            writer.close()


def _rows(stream: NamedStream) -> Iterator[dict[str, Any]]:
    for file in _parquet_files(stream):
        for batch in file.iter_batches(use_threads=False):
            yield from batch.to_pylist(maps_as_pydicts="strict")


def _write_json(stream: NamedStream, path: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(_rows(stream)):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(_plain(row), ensure_ascii=False, allow_nan=False))
        file.write("\n]\n")


def _plain(value: Any) -> Any:
    """A value as JSON has it, which knows no bytes, times or infinite numbers."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def _write_csv(stream: NamedStream, path: str) -> None:
    columns = _columns(stream)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "time", *map(".".join, columns)])
        for row in _rows(stream):
            cells = [_cell(_field(row, column)) for column in columns]
            writer.writerow([row["row"], _cell(row["time"]), *cells])


def _columns(stream: NamedStream) -> list[tuple[str, ...]]:
    """The paths of what is no struct: of ``value``, or of its fields."""
    import pyarrow as pa

    paths: dict[tuple[str, ...], None] = {}

    def add(path: tuple[str, ...], kind: Any) -> None:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        if pa.types.is_struct(kind):
            for field in kind:
                add((*path, field.name), field.type)
        else:
            paths[path] = None

    for file in _parquet_files(stream):
        add(("value",), file.schema_arrow.field("value").type)
    return list(paths) or [("value",)]


def _field(row: dict[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = row
    for part in path:
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


_WRITERS: dict[str, Callable[[NamedStream, str], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
