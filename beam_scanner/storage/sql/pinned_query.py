"""The rows of a query, pinned: what is read later is what was counted, or an error.

The rows are read once, in order, when the run is planned. What is kept of them is small:
for each *chunk* of some groups its first and last key, how many groups it has, and a
digest. A chunk can then be read alone, from wherever it is needed, and compared.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any, NamedTuple

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.storage.sql.connections import Database, literal, reason
from beam_scanner.storage.sql.json_values import json_object
from beam_scanner.storage.streams.outside import combined_digest

CHUNK_ROWS = 1000
"""A chunk has so many rows of the table, or a few more."""

_ID, _GROUP = "_scanner_id", "_scanner_group"
_FETCHED = 1000
_ROUNDING = 1e-6


@dataclass(frozen=True)
class SQLQuery:
    """Rows of a table, grouped into elements.

    All four are SQL, as in ``SELECT fields FROM table``.

    Attributes:
        fields: What an element has of each row: columns, separated by commas.
        table: A table, or several that are joined.
        id: Orders the rows of one element.
        group: Rows with the same value are one element; elements are in the order of
            these values. '' for ``id``: each row is an element.

    Examples:
        >>> query = SQLQuery('faces.id AS id, x, y', 'faces', 'faces.id', 'faces.frame')
    """

    fields: str
    table: str
    id: str
    group: str = ""

    @staticmethod
    def of(query: Any) -> SQLQuery:
        """What is meant by a query, a dict, or a message of scannerpy.

        Raises:
            ArgumentError: Something is missing.
        """
        names = ("fields", "table", "id", "group")
        if isinstance(query, SQLQuery):
            given = query
        elif isinstance(query, Mapping):
            unknown = [key for key in query if key not in names]
            if unknown:
                raise ArgumentError(
                    f"a SQLQuery has {', '.join(names)}; got {unknown[0]!r}"
                )
            given = SQLQuery(**{name: query.get(name, "") for name in names})
        elif all(hasattr(query, name) for name in names):
            given = SQLQuery(*(getattr(query, name) for name in names))
        else:
            raise ArgumentError(
                "query of a SQLInputStream must be a SQLQuery or a dict of its "
                f"{', '.join(names)}, got {type(query).__name__}"
            )
        for name in names[:3]:
            if not isinstance(getattr(given, name), str) or not getattr(given, name):
                raise ArgumentError(f"a SQLQuery needs {name}, which is SQL")
        return given

    @property
    def key(self) -> str:
        """SQL for what groups rows."""
        return self.group or self.id


class Chunk(NamedTuple):
    """Some consecutive elements.

    Attributes:
        first: The group of the first one.
        last: The group of the last one.
        elements: How many there are.
        size: Their bytes.
        digest: Of their bytes.
    """

    first: Any
    last: Any
    elements: int
    size: int
    digest: str


@dataclass(frozen=True)
class Rows:
    """The rows that a stream is made of.

    Attributes:
        database: Where they are.
        query: Which columns, and how they are grouped.
        filter: Which rows: SQL.
    """

    database: Database
    query: SQLQuery
    filter: str

    def check(self) -> None:
        """Has the database look at the query, without reading rows.

        Raises:
            ArgumentError: It is wrong: no such table or column, two columns with one
                name.
            StorageError: The database cannot be opened.
        """
        with self.database.reading() as connection:
            self._select(connection, limit="LIMIT 0")

    def pinned(self) -> PinnedRows:
        """Reads all rows once.

        Raises:
            ArgumentError: See :meth:`check`; or a row belongs to no group.
            ElementTypeError: A value has no form in JSON.
        """
        chunks: list[Chunk] = []
        keys: list[Any] = []
        elements: list[bytes] = []
        rows = 0
        with self.database.reading() as connection:
            for key, count, element in self._elements(connection):
                keys.append(key)
                elements.append(element)
                rows += count
                if rows >= CHUNK_ROWS:
                    chunks.append(_chunk(keys, elements))
                    keys, elements, rows = [], [], 0
        if elements:
            chunks.append(_chunk(keys, elements))
        return PinnedRows(self, tuple(chunks))

    def read(self, chunk: Chunk) -> list[bytes]:
        """The elements of a chunk.

        Raises:
            StorageError: They are not what they were when they were pinned.
        """
        with self.database.reading() as connection:
            found = list(self._elements(connection, (chunk.first, chunk.last)))
        elements = [element for _, _, element in found]
        if _digest(elements) != chunk.digest:
            raise StorageError(
                f"table {self.query.table} of {self.database.url} has changed since the "
                f"run was planned: between {self.query.key} = {chunk.first!r} and "
                f"{chunk.last!r} there were {chunk.elements} elements, now there are "
                f"{len(elements)}, or others; run it again"
            )
        return elements

    def _elements(
        self, connection: Any, bounds: tuple[Any, Any] | None = None
    ) -> Iterator[tuple[Any, int, bytes]]:
        """Keys, numbers of rows and bytes of the elements, in order."""
        result = self._select(connection, bounds)
        names = list(result.keys())[:-2]

        def rows() -> Iterator[tuple[Any, Any, str]]:
            for *values, row_id, key in result:
                if key is None or key != key:
                    raise ArgumentError(
                        f"{self.query.key} of a row of {self.query.table} is "
                        f"{'NULL' if key is None else key}, so it belongs to no element: "
                        "leave such rows out in the filter"
                    )
                if bounds and not _is_within(key, *bounds):
                    continue
                yield key, row_id, json_object(zip(names, values, strict=True))

        for key, group in groupby(rows(), lambda row: row[0]):
            texts: list[str] = []
            # A database may give rows with equal ids in any order.
            for _, same in groupby(group, lambda row: row[1]):
                texts += sorted(text for _, _, text in same)
            yield key, len(texts), f"[{', '.join(texts)}]".encode()

    def _select(
        self,
        connection: Any,
        bounds: tuple[Any, Any] | None = None,
        limit: str = "",
    ) -> Any:
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError

        query, key = self.query, literal(self.query.key)
        within = f" AND ({key}) >= :_first AND ({key}) <= :_last" if bounds else ""
        # Comments at the ends of what is given end with their lines.
        statement = text(
            f"SELECT {literal(query.fields)}\n, {literal(query.id)} AS {_ID}, "
            f"{key} AS {_GROUP}\nFROM {literal(query.table)}\n"
            f"WHERE ({literal(self.filter)}\n){within}\nORDER BY {_GROUP}, {_ID} {limit}"
        )
        values = _widened(*bounds) if bounds else {}
        options = {"stream_results": True, "max_row_buffer": _FETCHED}
        try:
            result = connection.execute(statement, values, execution_options=options)
        except DBAPIError as error:
            raise ArgumentError(
                f"query of a SQLInputStream: {reason(error)}"
            ) from error
        names = list(result.keys())
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ArgumentError(
                f"two fields of a SQLInputStream are called {twice[0]!r}: name them, as "
                f"in 'a.{twice[0]} AS {twice[0]}, b.{twice[0]} AS other'"
            )
        return result


@dataclass(frozen=True)
class PinnedRows:
    """Rows as they were when the run was planned.

    Attributes:
        rows: How they are read.
        chunks: In order.
    """

    rows: Rows
    chunks: tuple[Chunk, ...]

    @cached_property
    def starts(self) -> list[int]:
        """The number of the first element of each chunk, and how many there are."""
        return [0, *accumulate(chunk.elements for chunk in self.chunks)]

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        return sum(chunk.size for chunk in self.chunks)

    def digest(self) -> str:
        """Changes with the elements."""
        return combined_digest("sql", *(chunk.digest for chunk in self.chunks))

    def place(self, element: int) -> tuple[int, int]:
        """The chunk of an element, and its number there."""
        at = bisect_right(self.starts, element) - 1
        return at, element - self.starts[at]


def _widened(first: Any, last: Any) -> dict[str, Any]:
    """Bounds for the database: a REAL of 0.3 is less than a DOUBLE of 0.3."""
    if isinstance(first, float):
        first -= abs(first) * _ROUNDING
    if isinstance(last, float):
        last += abs(last) * _ROUNDING
    return {"_first": first, "_last": last}


def _is_within(key: Any, first: Any, last: Any) -> bool:
    """Whether a key lies within bounds; only the database compares what are no numbers."""
    if not isinstance(key, (int, float)):
        return True
    return not (isinstance(first, float) and key < first) and not (
        isinstance(last, float) and key > last
    )


def _chunk(keys: list[Any], elements: list[bytes]) -> Chunk:
    size = sum(map(len, elements))
    return Chunk(keys[0], keys[-1], len(keys), size, _digest(elements))


def _digest(elements: list[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for element in elements:
        digest.update(b"%d:" % len(element))
        digest.update(element)
    return digest.hexdigest()
