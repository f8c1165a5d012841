"""Tables of SQL databases as streams: SQLite, DuckDB and Postgres.

As an input, rows that a query gives are grouped into elements. As an output, each element
is a list of rows. They wait in the records of the tasks that made them, and all of them
appear in the table in one transaction, when the stream is complete.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    ScannerException,
    StorageError,
)
from beam_scanner.storage.commit import tiled
from beam_scanner.storage.sql.connections import Database
from beam_scanner.storage.sql.json_values import plain
from beam_scanner.storage.sql.pinned_query import PinnedRows, Rows, SQLQuery
from beam_scanner.storage.sql.target_table import Layout, Row, Target, check_rows
from beam_scanner.storage.stored_rows import (
    NumberedReader,
    Publication,
    Record,
    SegmentTask,
    SegmentWriter,
)
from beam_scanner.storage.streams.backend import StorageBackend, StoredStream
from beam_scanner.storage.streams.outside import combined_digest
from beam_scanner.types.element_types import NullElement

_HELD_CHUNKS = 4


class SQLStorage(StorageBackend):
    """A database of SQLite, DuckDB or Postgres.

    Args:
        config: A ``SQLConfig``, a dict of its fields, or a URL: ``sqlite:///films.db``,
            ``duckdb:////data/films.db``, ``postgresql://user@host/name``.
        job_table: A table with a column ``name``, which gets a row with the name of
            each job that is written; None for no such table.

    Raises:
        ArgumentError: The configuration is none.
        MissingDependencyError: SQLAlchemy is not installed.
    """

    def __init__(self, config: Any, job_table: str | None = None) -> None:
        self.database = Database.of(config)
        self.job_table = job_table or ""

    def source(self, sc: Any, streams: Sequence[StoredStream]) -> Any:
        """See ``StorageBackend.source``.

        Raises:
            ArgumentError: The database refuses a query: no such table or column.
            StorageError: The database cannot be opened.
        """
        super().source(sc, streams)
        for stream in streams:
            if isinstance(stream, SQLInputStream):
                stream.check()

    def sink(self, sc: Any, op: Any, streams: Sequence[StoredStream]) -> Any:
        """See ``StorageBackend.sink``.

        Raises:
            ElementTypeError: The column holds frames.
            ArgumentError: A table is missing or cannot be written, or two streams are
                one job.
            StorageError: The database cannot be opened.
        """
        super().sink(sc, op, streams)
        if op is not None and op.type is None:
            raise ElementTypeError(
                f"a SQLOutputStream holds rows of a table, but the column of "
                f"{op.node.label} holds frames"
            )
        seen: set[str] = set()
        for stream in streams:
            if isinstance(stream, SQLOutputStream):
                if stream.name() in seen:
                    raise ArgumentError(
                        f"two streams would be written as {stream.name()!r}: give each "
                        "a job_name"
                    )
                seen.add(stream.name())
                stream.check()

    def delete(self, sc: Any, streams: Sequence[StoredStream]) -> None:
        """See ``StorageBackend.delete``."""
        for stream in streams:
            stream.delete(sc)


class SQLInputStream(StoredStream):
    """Rows of a table, as JSON.

    Element ``i`` is a JSON list (bytes) of the rows of group ``i``, each an object of
    its fields. Groups are in the order of ``query.group``, rows of a group in that of
    ``query.id``. NULL is null; times are in ISO 8601, bytes in base64.

    All rows are read once when a run is planned. Workers then read only what they need,
    and a run whose rows have changed meanwhile fails. Rows that come later, between
    others or after them, are left to the next run.

    Args:
        query: A ``SQLQuery``, or a dict of its fields.
        filter: SQL: which rows are in this stream.
        storage: The database.
        num_elements: How many groups there must be; None for as many as there are.

    Raises:
        ArgumentError: An argument is not what it should be.

    Examples:
        >>> import os, sqlite3, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), 'tv.db')
        >>> with sqlite3.connect(path) as db:
        ...     _ = db.execute('CREATE TABLE face (id INTEGER, frame INTEGER, x REAL)')
        ...     _ = db.execute('INSERT INTO face VALUES (1, 7, 0.5), (2, 7, NULL)')
        >>> query = SQLQuery('id, x', table='face', id='id', group='frame')
        >>> stream = SQLInputStream(query, 'true', SQLStorage(f'sqlite:///{path}'))
        >>> list(stream.load())
        [b'[{"id": 1, "x": 0.5}, {"id": 2, "x": null}]']
    """

    def __init__(
        self,
        query: SQLQuery | Any,
        filter: str = "true",
        storage: SQLStorage | None = None,
        num_elements: int | None = None,
    ) -> None:
        self._storage = _storage(storage, "SQLInputStream")
        if not isinstance(filter, str) or not filter.strip():
            raise ArgumentError(
                f"filter of a SQLInputStream is SQL, as 'true', got {filter!r}"
            )
        self._rows = Rows(self._storage.database, SQLQuery.of(query), filter)
        # 0 is Scanner's word for not knowing.
        self._count = num_elements or None
        self._pinned: PinnedRows | None = None
        self._has_travelled = False

    def __getstate__(self) -> dict[str, Any]:
        # Workers read what the driver has counted.
        return {**vars(self), "_has_travelled": self._pinned is not None}

    def name(self) -> str:
        """'sql:', the tables and a digest of database, query and filter."""
        query = self._rows.query
        what = combined_digest(self._rows.database.url, query, self._rows.filter)
        return f"sql:{query.table}:{what[:12]}"

    def storage(self) -> SQLStorage:
        """See ``StoredStream.storage``."""
        return self._storage

    def places(self) -> Sequence[str]:
        """See ``StoredStream.places``."""
        return _places(self._storage)

    def check(self) -> None:
        """Has the database look at the query.

        Raises:
            ArgumentError: It refuses it: no such table or column.
            StorageError: It cannot be opened.
        """
        self._rows.check()

    def exists(self) -> bool:
        """Whether the database accepts the query."""
        try:
            self.check()
        except ScannerException:
            return False
        return True

    def committed(self) -> bool:
        """Whether the rows can be read; looks at them anew."""
        if self._has_travelled:
            return True
        self._pinned = None
        return self.exists()

    def len(self) -> int:
        """The number of groups.

        Raises:
            ArgumentError: There are others than ``num_elements``, or the query is wrong.
        """
        return len(self._pin())

    def estimate_size(self) -> int:
        """Bytes of an element, on average."""
        pinned = self._pin()
        return pinned.size // max(1, len(pinned))

    def fingerprint(self) -> str:
        """Changes with the rows."""
        return self._pin().digest()

    def load_bytes(self, rows: Sequence[int] | None = None) -> Iterator[bytes]:
        """See ``StoredStream.load_bytes``."""
        with self.reader() as reader:
            for row in range(len(reader)) if rows is None else rows:
                yield from reader.read([row])

    def reader(self) -> SQLReader:
        """See ``StoredStream.reader``."""
        return SQLReader(self.name(), self._pin())

    def _pin(self) -> PinnedRows:
        if self._pinned is None:
            found = self._rows.pinned()
            if self._count not in (None, len(found)):
                raise ArgumentError(
                    f"num_elements of stream {self.name()!r} is {self._count}, but its "
                    f"query gives {len(found)} groups"
                )
            self._pinned = found
        return self._pinned


class SQLOutputStream(StoredStream):
    """Elements as rows of a table.

    An element is a JSON list (bytes) of rows, each an object of columns; or, where an op
    gives values of another type, a list of dicts. A null row adds nothing. All rows
    appear at once when the stream is complete, or none.

    Args:
        table: The table, which must be there; perhaps in a schema, as 'tv.face'.
        job_name: Names what is written: a stream is committed when a job of this name
            has been written to the table.
        storage: The database.
        insert: True: rows are added. False: rows that are there are changed.
        key: Columns that tell which row is meant: 'id' where rows are changed. Where
            they are added, a row with the same key is replaced; without a key none is.
        ignore_conflicts: Leave out new rows that a constraint of the table refuses.

    Raises:
        ArgumentError: An argument is not what it should be.
    """

    def __init__(
        self,
        table: str,
        job_name: str,
        storage: SQLStorage | None = None,
        insert: bool = True,
        key: str | Sequence[str] | None = None,
        ignore_conflicts: bool = False,
    ) -> None:
        self._storage = _storage(storage, "SQLOutputStream")
        for name, given in (("table", table), ("job_name", job_name)):
            if not isinstance(given, str) or not given:
                raise ArgumentError(
                    f"{name} of a SQLOutputStream must be a name, got {given!r}"
                )
        default = () if insert else ("id",)
        names = (key,) if isinstance(key, str) else tuple(key or default)
        if ignore_conflicts and (key or not insert):
            raise ArgumentError(
                "ignore_conflicts is for rows that are added without a key"
            )
        self._target = Target(
            self._storage.database,
            table,
            job_name,
            bool(insert),
            names,
            bool(ignore_conflicts),
            self._storage.job_table,
        )
        self._layout: Layout | None = None

    def name(self) -> str:
        """'sql:', the table and the job."""
        return f"sql:{self._target.table}:{self._target.job}"

    def storage(self) -> SQLStorage:
        """See ``StoredStream.storage``."""
        return self._storage

    def identity(self) -> Sequence[Any]:
        """See ``StoredStream.identity``: the database without password, and the job."""
        target = self._target
        how = [target.insert, target.key, target.ignore_conflicts, target.job_table]
        return [target.database.url, target.table, target.job, how]

    def places(self) -> Sequence[str]:
        """See ``StoredStream.places``."""
        return _places(self._storage)

    def check(self) -> None:
        """Looks at the table.

        Raises:
            ArgumentError: It is missing, or cannot be written as it is to be.
            StorageError: The database cannot be opened for writing.
        """
        self._layout = self._target.check()

    def exists(self) -> bool:
        """As ``committed``: there is never a part of it."""
        return self.committed()

    def committed(self) -> bool:
        """Whether the job has been written to the table."""
        return self._target.is_committed()

    def delete(self, sc: Any = None) -> None:
        """Removes the rows that the job has added without a key, and forgets the job.

        What it has changed or replaced stays as it is.
        """
        self._target.remove()

    def segment_writer(self, segment: SegmentTask) -> SQLWriter:
        """See ``StoredStream.segment_writer``."""
        return SQLWriter(
            self._target, self._layout or self._target.layout(), self.name(), segment
        )

    def writable(self) -> bool:
        """See ``StoredStream.writable``."""
        return True

    def publish(self, publication: Publication) -> None:
        """See ``StoredStream.publish``."""
        ordered = tiled(self.name(), publication.segments)
        self._target.commit(
            publication.generation,
            (
                (element, row)
                for record in ordered
                for element, row in _unpacked(record["packed"])
            ),
        )


class SQLReader(NumberedReader):
    """Reads elements of a query.

    Args:
        name: Of the stream.
        pinned: The rows as they were when the run was planned.
    """

    def __init__(self, name: str, pinned: PinnedRows) -> None:
        super().__init__(name, len(pinned))
        self._pinned = pinned
        self._held: OrderedDict[int, list[bytes]] = OrderedDict()

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See ``RowReader.read``.

        Raises:
            StorageError: Rows have changed since the run was planned.
        """
        return [self._element(row) for row in self.checked(rows).tolist()]

    def _element(self, row: int) -> bytes:
        chunk, at = self._pinned.place(row)
        if chunk not in self._held:
            found = self._pinned.rows.read(self._pinned.chunks[chunk])
            self._counts["bytes_read"] += sum(map(len, found))
            self._held[chunk] = found
            if len(self._held) > _HELD_CHUNKS:
                self._held.popitem(last=False)
        self._held.move_to_end(chunk)
        return self._held[chunk][at]


class SQLWriter(SegmentWriter):
    """Checks rows and keeps them in the record of its task.

    Args:
        target: Where they go.
        layout: Of the table.
        name: Of the stream.
        segment: The segment to write.
    """

    def __init__(
        self, target: Target, layout: Layout, name: str, segment: SegmentTask
    ) -> None:
        super().__init__(name, segment.first_row, segment.type_name)
        self._target = target
        self._layout = layout
        info = segment.type_info
        self._is_json = info is None or info.type is bytes
        self._deserialize = info.deserialize if info is not None else bytes
        self._rows: list[tuple[int, Row]] = []

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See ``SegmentWriter.write``.

        Raises:
            ElementTypeError: An element does not fit the table.
        """
        self._check_next(first_row)
        for number, element in enumerate(elements, first_row):
            if not isinstance(element, NullElement):
                value = self._value(number, element)
                found = check_rows(self._layout, self._target, number, value)
                self._rows += ((number, row) for row in found)
        self._next += len(elements)

    def _value(self, number: int, element: Any) -> Any:
        try:
            if self._is_json:
                return json.loads(element)
            return plain(self._deserialize(element))
        except (ValueError, TypeError) as error:
            raise ElementTypeError(
                f"element {number} of job {self._target.job!r} must be a list of rows "
                f"as JSON: {error}"
            ) from error

    def finish(self) -> Record:
        """See ``SegmentWriter.finish``."""
        packed = _packed(self._rows)
        return {**self._record(), "bytes": len(packed), "packed": packed}

    def abort(self) -> None:
        """See ``SegmentWriter.abort``; nothing was written anywhere."""
        self._rows = []


def _storage(storage: Any, kind: str) -> SQLStorage:
    if not isinstance(storage, SQLStorage):
        raise ArgumentError(
            f"storage of a {kind} must be a SQLStorage, got {storage!r}"
        )
    return storage


def _places(storage: SQLStorage) -> Sequence[str]:
    file = storage.database.file
    return [] if file is None else [file]


def _packed(rows: Sequence[tuple[int, Row]]) -> str:
    return base64.b64encode(zlib.compress(json.dumps(rows).encode(), 6)).decode()


def _unpacked(packed: str) -> Iterator[tuple[int, Row]]:
    try:
        yield from json.loads(zlib.decompress(base64.b64decode(packed)))
    except (ValueError, zlib.error) as error:
        raise StorageError(f"rows of a task are damaged: {error}") from error
