"""Tables: streams as Scanner's programs look at them.

Every committed stream is a table. A stream that a graph has made has one column,
``column`` (or ``frame`` if its elements are frames); a video that was ingested has
``index``, the row numbers, and ``frame``. A table that was made by
``Client.new_table`` with other columns keeps each of them as a stream,
``<table>/columns/<column>``, which any graph can read by that name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    StorageError,
    StreamExistsError,
    StreamNotFoundError,
)
from beam_scanner.run.profiler import Profile, profile_ids
from beam_scanner.scannerpy.column import Column as Column
from beam_scanner.scannerpy.column import VideoMetadata, video_metadata
from beam_scanner.scannerpy.table_ids import TableIds, in_creation_order
from beam_scanner.scannerpy.table_records import (
    RECORD,
    column_stream,
    column_streams,
    parse_record,
    record_key,
)
from beam_scanner.storage.commit import generation_of
from beam_scanner.storage.descriptor import (
    StreamDescriptor,
    begin_writing,
    is_in_place,
    parse_at,
    stream_keys,
)
from beam_scanner.storage.sealed_files import seal
from beam_scanner.storage.stream_names import (
    DESCRIPTOR,
    descriptor_key,
    stream_key,
)
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStorage, NamedVideoStream
from beam_scanner.text.printable import printable
from beam_scanner.text.tables import ruled_table
from beam_scanner.types.element_types import NullElement
from beam_scanner.types.type_info import get_type_info


@dataclass(frozen=True)
class _Found:
    """What a database holds under a table's name."""

    rows: int
    columns: tuple[tuple[str, NamedStream | None], ...]
    ingested: bool = False


class Table:
    """A committed stream, or a table of several columns, by name.

    It looks at the database each time it is asked, so it sees a run that ends later.

    Args:
        sc: The client, or the tables of its database.
        name: Its name; there need not be such a table.
        id: Not used: it is looked up.

    Examples:
        >>> import tempfile
        >>> tables = Tables(NamedStorage(tempfile.mkdtemp()))
        >>> table = tables.new('pairs', ['a', 'b'], [[b'1', b'2'], [b'3', b'4']])
        >>> table.num_rows(), table.column_names(), list(table.column('b').load())
        (2, ['a', 'b'], [b'2', b'4'])
    """

    def __init__(self, sc: Any, name: str, id: int | None = None) -> None:
        self._sc = sc
        self._tables: Tables = getattr(sc, "_tables", sc)
        self._name = name

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sc": self._tables}

    def __repr__(self) -> str:
        return f"Table({self._name!r})"

    def id(self) -> int:
        """Its number, from 0 in the order of creation, never given twice.

        Raises:
            StreamNotFoundError: It is not committed.
        """
        self._found()
        return self._tables.id_of(self._name)

    def name(self) -> str:
        """Its name."""
        return self._name

    def exists(self) -> bool:
        """The same as :meth:`committed`: nothing unfinished is ever visible."""
        return self.committed()

    def committed(self) -> bool:
        """Whether it is complete and can be read."""
        return self._tables.find(self._name) is not None

    def num_rows(self) -> int:
        """The number of rows.

        Raises:
            StreamNotFoundError: It is not committed.
        """
        return self._found().rows

    def column_names(self) -> list[str]:
        """Names of its columns.

        Raises:
            StreamNotFoundError: It is not committed.
        """
        return [name for name, _ in self._found().columns]

    def column(self, name: str) -> Column:
        """One of its columns.

        Raises:
            StreamNotFoundError: It is not committed.
            ArgumentError: It has no column of that name.
        """
        self._found()
        return Column(self, name)

    def find_column(self, name: str) -> tuple[int, int, NamedStream | None]:
        """A column's place, its rows, and the stream that holds it.

        Of a table that is not committed, the column that a graph would make.

        Raises:
            StreamNotFoundError: It is not committed, and the name is another.
            ArgumentError: It has no column of that name.
        """
        if name == "column" and not self.committed():
            return 0, 0, self._tables.stream(self._name)
        found = self._found()
        for number, (own, stream) in enumerate(found.columns):
            if own == name:
                return number, found.rows, stream
        raise ArgumentError(
            f"Column {name} not found in Table {printable(self._name)}: its columns are "
            f"{', '.join(own for own, _ in found.columns)}"
        )

    def load(
        self,
        columns: Sequence[str],
        fn: Callable[[tuple[Any, ...], Any], Any] | None = None,
        rows: Iterable[int] | None = None,
    ) -> Iterator[Any]:
        """Yields for each row the tuple of its values in some columns.

        Args:
            columns: Names of columns.
            fn: Called with that tuple and the client instead.
            rows: Row numbers in any order, also more than once; all for None.

        Raises:
            StreamNotFoundError: It is not committed.
            ArgumentError: It has no such column.
            RowError: At the first ``next()``: a row lies outside the table.
        """
        if isinstance(columns, str) or not columns:
            raise ArgumentError(f"expected a list of column names, got {columns!r}")
        opened = [self.column(name) for name in columns]
        numbers = None if rows is None else list(rows)
        loads = [column.load(rows=numbers) for column in opened]
        loaded = zip(*loads, strict=True)
        return loaded if fn is None else (fn(values, self._sc) for values in loaded)

    def profiler(self) -> Profile:
        """The profile of the latest run that committed it.

        Raises:
            StreamNotFoundError: It is not committed.
            ArgumentError: It is a video, or no profile of that run is kept.
        """
        if self._found().ingested:
            raise ArgumentError(
                f"Ingested videos do not have profile data: {self._name!r}"
            )
        return self._tables.profile_of(self._name)

    def parent_rows(self) -> list[int]:
        """Rows of the table that this one was made from: not kept.

        Raises:
            ArgumentError: Always.
        """
        raise ArgumentError(
            f"Table {printable(self._name)} has no parent: a stream may have many inputs, and "
            "which of their rows it needed is not kept"
        )

    def _found(self) -> _Found:
        found = self._tables.find(self._name)
        if found is None:
            raise StreamNotFoundError(
                f"Table has not committed yet: {self._name!r} does not exist, or no run "
                "has finished it"
            )
        return found


class Tables:
    """The tables of a database.

    Args:
        storage: The database.

    Examples:
        >>> import tempfile
        >>> tables = Tables(NamedStorage(tempfile.mkdtemp()))
        >>> tables.summarize()
        'summarize: your client is empty!'
    """

    def __init__(self, storage: NamedStorage) -> None:
        self._storage = NamedVideoStorage(storage.raw_store(), storage.trusted)
        self._ids: TableIds | None = None
        self._kept = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ids": None}

    def table(self, identifier: str | int, sc: Any = None) -> Table:
        """The table of a name or number.

        Args:
            identifier: A name, of which there need not be a table, or a number.
            sc: The client, if there is one.

        Raises:
            StreamNotFoundError: There is no table of that number.
            ArgumentError: It is neither, or the name is impossible.
        """
        if isinstance(identifier, str):
            stream_key(identifier)
            return Table(sc or self, identifier)
        if isinstance(identifier, bool) or not isinstance(identifier, int):
            raise ArgumentError(
                f"Invalid table identifier {identifier!r}: expected a name or a number"
            )
        name = self._known().name_of(identifier)
        if name is None:
            name = self._numbered().name_of(identifier)
        if name is None or self.find(name) is None:
            raise StreamNotFoundError(f"there is no table with id {identifier}")
        return Table(sc or self, name)

    def has(self, name: str) -> bool:
        """Whether there is a committed table of that name."""
        return self.find(name) is not None

    def find(self, name: str) -> _Found | None:
        """What the database holds under a table's name; None if nothing."""
        descriptor = NamedStream(self._storage, name).try_descriptor()
        if descriptor is not None:
            return self._of_stream(descriptor)
        record = self._record(name)
        if record is None:
            return None
        columns = tuple(
            (column, NamedStream(self._storage, column_stream(name, column)))
            for column in record["columns"]
        )
        return _Found(int(record["rows"]), columns)

    def names(self) -> list[str]:
        """Names of all tables, in order of their keys."""
        return [name for name, _ in self._listed()]

    def id_of(self, name: str) -> int:
        """The number of a committed table.

        Raises:
            StreamNotFoundError: There is no such table.
        """
        number = self._known().id_of(name)
        if number is None:
            number = self._numbered().id_of(name)
        if number is None:
            raise StreamNotFoundError(f"there is no table {name!r}")
        return number

    def assign_ids(self, names: Iterable[str]) -> None:
        """Numbers new tables in this order, not in that of their files' times."""
        self._known().assign(names)

    def delete(self, names: Sequence[str]) -> None:
        """Removes tables and their streams; those that are not there are no error."""
        if isinstance(names, str):
            raise ArgumentError(f"expected a list of table names, got {names!r}")
        self._keep_numbers(names)
        for name in names:
            NamedStream(self._storage, name).delete()
        self.replaced(names)

    def replaced(self, names: Sequence[str], kept: Collection[str] = ()) -> None:
        """Ends tables whose names others, with streams ``kept``, have taken."""
        store = self._storage.store()
        self._known().retire(names)
        for name in names:
            record = self._record(name)
            store.delete(record_key(name))
            for column in () if record is None else record["columns"]:
                if (stream := column_stream(name, column)) not in kept:
                    NamedStream(self._storage, stream).delete()

    def new(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        fns: Sequence[Callable[[Any, Any], bytes] | None] | None = None,
        force: bool = False,
    ) -> Table:
        """Stores rows as a table; see ``Client.new_table``.

        One column named ``column`` is a stream of the table's name; others are
        streams ``<table>/columns/<column>``. Nothing is stored if a value is wrong.
        Streams of a table that is replaced stay until the new ones are stored.

        Raises:
            StreamExistsError: It exists without ``force``, or came meanwhile.
            ArgumentError: Columns, rows and functions do not fit together.
            ElementTypeError: A value is not bytes.
        """
        streams = column_streams(name, columns)
        values = _serialized(name, columns, rows, fns)
        made = [NamedStream(self._storage, stream) for stream in streams.values()]
        # Before it is asked what there is: what comes later is not to be replaced.
        seen = [generation_of(stream.try_descriptor()) for stream in made]
        if not force:
            for taken in (name, *streams.values()):
                if self.has(taken):
                    raise StreamExistsError(
                        f"Attempted to create table with existing name {printable(taken)}; "
                        "force=True replaces it"
                    )
        for stream, before, elements in zip(made, seen, values, strict=True):
            stream.save_over(before, elements, get_type_info(bytes))
        self.replaced([name], set(streams.values()))
        if name not in streams.values():
            NamedStream(self._storage, name).delete()
            count = len(values[0])
            record = {"name": name, "columns": list(streams), "rows": count}
            store = self._storage.store()
            begin_writing(store)
            store.put(record_key(name), seal(record))
        return self.table(name)

    def sequence(self, name: str) -> Column:
        """The column of a stream: its frames or its elements.

        For a name without a stream it is a column that cannot be loaded yet.

        Raises:
            ArgumentError: A table of several columns has neither.
        """
        found = self.find(name)
        names = [] if found is None else [column for column, _ in found.columns]
        return Column(self.table(name), "frame" if "frame" in names else "column")

    def stream(self, name: str) -> NamedStream:
        """The stream of that name, which need not be there."""
        return NamedStream(self._storage, name)

    def summarize(self) -> str:
        """All tables, as a text table."""
        listed = dict(self._listed())
        if not listed:
            return "summarize: your client is empty!"
        ids = self._numbered().all()
        lines = [
            (ids[name], name, found.rows, ", ".join(c for c, _ in found.columns), True)
            for name, found in listed.items()
            if name in ids
        ]
        head = ("ID", "Name", "# rows", "Columns", "Committed")
        return "TABLES:\n" + ruled_table([head, *sorted(lines)])

    def video_metadata(self, tables: Sequence[Table]) -> list[VideoMetadata | None]:
        """Codec, size, rate, duration and length of the videos of tables.

        Args:
            tables: Tables of this database.

        Returns:
            For each table what is known, None for those without frames.

        Raises:
            StreamNotFoundError: One is not committed.
        """
        found = []
        for table in tables:
            names = table.column_names()
            stream = table.column("frame").stream() if "frame" in names else None
            found.append(
                video_metadata(stream) if isinstance(stream, NamedVideoStream) else None
            )
        return found

    def batch_load(
        self,
        tables: Sequence[Table],
        column: str,
        callback: Callable[[str, list[Any]], None],
        workers: int = 16,
    ) -> None:
        """Loads a column of many tables in threads.

        Args:
            tables: Tables of this database.
            column: The column's name.
            callback: Called in this thread, in the order of ``tables``, with a table's
                name and its values.
            workers: How many are loaded at the same time.

        Raises:
            ScannerException: One cannot be loaded; later ones are not called back.
        """
        if workers < 1:
            raise ArgumentError(f"workers must be at least 1, got {workers!r}")

        def load(table: Table) -> list[Any]:
            return list(table.column(column).load())

        waiting: deque[tuple[str, Future[list[Any]]]] = deque()
        rest = iter(tables)
        with ThreadPoolExecutor(workers) as pool:
            try:
                for table in islice(rest, 2 * workers):
                    waiting.append((table.name(), pool.submit(load, table)))
                while waiting:
                    name, values = waiting.popleft()
                    callback(name, values.result())
                    for table in islice(rest, 1):
                        waiting.append((table.name(), pool.submit(load, table)))
            finally:
                for _, values in waiting:
                    values.cancel()

    def profile_of(self, name: str) -> Profile:
        """The profile of the latest run that committed a stream.

        Raises:
            ArgumentError: None is kept.
        """
        for number in profile_ids(self._storage.store()):
            profile = Profile.load(self._storage, number)
            if name in profile.committed:
                return profile
        raise ArgumentError(f"no profile is kept of a run that made table {name!r}")

    def _known(self) -> TableIds:
        if self._ids is None:
            self._ids = TableIds(self._storage.store())
        return self._ids

    def _numbered(self) -> TableIds:
        """The numbers, after all tables have been given one."""
        ids = self._known()
        store = self._storage.store()
        known = ids.all()
        new = {
            descriptor_key(name) if _is_stream(found, name) else record_key(name): name
            for name, found in self._listed()
            if name not in known
        }
        ids.propose(new[key] for key in in_creation_order(store, new))
        return ids

    def _keep_numbers(self, leaving: Sequence[str]) -> None:
        """Keeps the numbers of other tables, which must not follow from what is left."""
        if not self._kept and any(self.has(name) for name in leaving):
            ids = self._numbered()
            if any(name not in leaving for name in ids.all()):
                ids.assign()
            # All tables are listed for it: once must do.
            self._kept = True

    def _listed(self) -> list[tuple[str, _Found]]:
        """All tables; streams that are columns of one are left out."""
        store = self._storage.store()
        tables: list[tuple[str, _Found]] = []
        columns = set[str]()
        for key in stream_keys(store):
            folder, _, file = key.rpartition("/")
            data = store.try_read(key) if folder else None
            if data is None:
                continue
            if file == RECORD:
                record = parse_record(data, store.describe(key))
                name = record["name"]
                columns.update(column_stream(name, c) for c in record["columns"])
                found = self.find(name)
                if found is not None and not _is_stream(found, name):
                    tables.append((name, found))
            elif file == DESCRIPTOR:
                descriptor = parse_at(store, key, data)
                if is_in_place(descriptor, folder):
                    tables.append((descriptor.name, self._of_stream(descriptor)))
        return [(name, found) for name, found in tables if name not in columns]

    def _record(self, name: str) -> dict[str, Any] | None:
        store, key = self._storage.store(), record_key(name)
        data = store.try_read(key)
        if data is None:
            return None
        record = parse_record(data, store.describe(key))
        if record["name"] != name:
            raise StorageError(
                f"{store.describe(key)!r} is the record of table {record['name']!r}, "
                f"not of {name!r}"
            )
        return record

    def _of_stream(self, descriptor: StreamDescriptor) -> _Found:
        name = descriptor.name
        if descriptor.kind != "video":
            return _Found(
                descriptor.rows, (("column", NamedStream(self._storage, name)),)
            )
        frames = ("frame", NamedVideoStream(self._storage, name))
        columns = (("index", None), frames) if descriptor.ingested else (frames,)
        return _Found(descriptor.rows, columns, descriptor.ingested)


def _is_stream(found: _Found, name: str) -> bool:
    """Whether a table is the stream of its own name."""
    stream = found.columns[-1][1]
    return stream is not None and stream.name() == name


def _serialized(
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    fns: Sequence[Callable[[Any, Any], bytes] | None] | None,
) -> list[list[Any]]:
    """For each column its elements as bytes."""
    given = [None] * len(columns) if fns is None else list(fns)
    if len(given) != len(columns):
        raise ArgumentError(
            f"table {table!r} has {len(columns)} columns, but {len(given)} fns"
        )
    values: list[list[Any]] = [[] for _ in columns]
    for number, row in enumerate(rows):
        if isinstance(row, (bytes, str)) or len(row) != len(columns):
            raise ArgumentError(
                f"row {number} of table {table!r}: expected {len(columns)} values, one "
                f"a column, got {row!r}"
            )
        for place, value in enumerate(row):
            element = _element(value, given[place])
            if not isinstance(element, (bytes, NullElement)):
                raise ElementTypeError(
                    f"row {number}, column {columns[place]!r} of table {table!r}: "
                    f"expected bytes, got {type(element).__name__}; fns makes bytes"
                )
            values[place].append(element)
    return values


def _element(value: Any, fn: Callable[[Any, Any], bytes] | None) -> Any:
    if fn is None or isinstance(value, NullElement):
        return value
    from beam_scanner.scannerpy import protobufs

    return fn(value, protobufs)
