"""Failures of runs as Parquet, in the database of the run's outputs.

::

    failures/20240131T235959.123456Z-<run>.parquet

Each failure is one row, with the columns of ``COLUMNS``; unknown values are null. A
run without failures leaves no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from beam_scanner import errors
from beam_scanner.errors import Failure, ScannerException, StorageError
from beam_scanner.storage.parquet_files import open_parquet
from beam_scanner.stores.object_store import ObjectStore, storage_errors
from beam_scanner.text.error_text import plain

FOLDER = "failures"

# Runs that end in the same second are listed in their order.
_TIME = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"failures/(\d{8}T\d{6}(?:\.\d{6})?Z)-([\w-]+)\.parquet")
_ROWS_AT_A_TIME = 1000

# Null in the file, '' here; and times, which are numbers here.
_MAY_BE_EMPTY, _TIMES = ("exception", "traceback", "worker"), ("started", "ended")

COLUMNS = pa.schema(
    [
        pa.field("stream", pa.string(), nullable=False),
        pa.field("task", pa.int64()),
        pa.field("first_row", pa.int64()),
        pa.field("last_row", pa.int64()),
        pa.field("row", pa.int64()),
        pa.field("op", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("exception", pa.string()),
        pa.field("message", pa.string(), nullable=False),
        pa.field("traceback", pa.string()),
        pa.field("attempts", pa.int64(), nullable=False),
        pa.field("worker", pa.string()),
        pa.field("started", pa.timestamp("us", "UTC")),
        pa.field("ended", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True, order=True)
class FailureFile:
    """One file of failures.

    Attributes:
        time: When it was written, as in its name.
        run: Which run it is about; a run of several phases may have a file for each.
        key: Where it lies in the store.
    """

    time: str
    run: str
    key: str


def write_failures(
    store: ObjectStore, run: str, failures: Iterable[Failure], when: float
) -> str:
    """Stores the failures of a run.

    Args:
        store: The database.
        run: Names the run: letters, digits and '-'.
        failures: Any number; they are not all held in memory.
        when: Time for the name of the file, in seconds since 1970.

    Returns:
        The path or URL of the file; '' if there are no failures.

    Raises:
        StorageError: It cannot be written.
    """
    left = iter(failures)
    first = next(left, None)
    if first is None:
        return ""
    left = chain([first], left)
    name = datetime.fromtimestamp(when, UTC).strftime(_TIME)
    key = f"{FOLDER}/{name}-{run}.parquet"
    path = store.scratch(".parquet")
    with storage_errors("write", path):
        with pq.ParquetWriter(path, COLUMNS, compression="zstd") as writer:
            while some := list(islice(left, _ROWS_AT_A_TIME)):
                rows = [_row(failure) for failure in some]
                writer.write_table(pa.Table.from_pylist(rows, COLUMNS))
        store.put(key, Path(path))
    return store.describe(key)


def _row(failure: Failure) -> dict[str, Any]:
    row = failure._asdict()
    row["message"] = row.pop("reason").removeprefix(f"{failure.exception}: ")
    row |= {name: plain(value) for name, value in row.items() if type(value) is str}
    row |= {name: row[name] or None for name in _MAY_BE_EMPTY}
    for name in _TIMES:
        if row[name] is not None:
            row[name] = datetime.fromtimestamp(row[name], UTC)
    return row


def failure_files(store: ObjectStore) -> list[FailureFile]:
    """All files of failures in a database, the oldest first."""
    found = []
    for key in store.list(f"{FOLDER}/", lambda folder: True):
        match = _NAME.fullmatch(key)
        if match is not None:
            found.append(FailureFile(match[1], match[2], key))
    return sorted(found)


def read_failures(store: ObjectStore, key: str) -> Iterator[Failure]:
    """The failures of one file.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        with store.open(key) as file, open_parquet(file) as table:
            for batch in table.iter_batches(_ROWS_AT_A_TIME, use_threads=False):
                for row in batch.to_pylist():
                    yield _failure(row)
    except (pa.ArrowException, KeyError, TypeError, UnicodeDecodeError) as error:
        where = store.describe(key)
        raise StorageError(f"{where} is not a file of failures: {error}") from error


def _failure(row: dict[str, Any]) -> Failure:
    exception = row["exception"] or ""
    own = getattr(errors, exception, None)
    known = isinstance(own, type) and issubclass(own, ScannerException)
    values = {name: row[name] for name in COLUMNS.names}
    message = values.pop("message")
    # An exception without a text has its name as the message.
    lead = "" if known or exception in ("", message) else f"{exception}: "
    values["reason"] = f"{lead}{message}"
    values |= {name: values[name] or "" for name in _MAY_BE_EMPTY}
    for name in _TIMES:
        if values[name] is not None:
            values[name] = values[name].timestamp()
    return Failure(**values)
