"""Tables that are written: rows are checked one by one and appear in one transaction.

Two small tables of ours stand beside them: ``beam_scanner_jobs`` says which jobs have
been committed, and so makes a commit happen once, and ``beam_scanner_rows`` has the keys
of rows that a job has inserted, so that they can be replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from beam_scanner.errors import ArgumentError, ElementTypeError, StorageError
from beam_scanner.storage.sql.connections import Database, literal, reason
from beam_scanner.storage.sql.json_values import TableColumn, plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = Mapping[str, Any]
"""By name of the column, a value as JSON has it."""

JOBS, ROWS = "beam_scanner_jobs", "beam_scanner_rows"

_VALUES = 20_000
"""A statement has fewer parameters; SQLite takes 32,766."""

_IN_FILE = (
    'SELECT name, type, "notnull" = 1 AND dflt_value IS NULL '
    "AND NOT ({generated}), pk FROM pragma_table_info(:name) ORDER BY cid"
)
_COLUMNS = {
    # SQLite numbers rows without an INTEGER PRIMARY KEY.
    "sqlite": _IN_FILE.format(generated="pk = 1 AND type = 'INTEGER'"),
    "duckdb": _IN_FILE.format(generated="1 = 0"),
    "postgresql": (
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull AND NOT "
        "a.atthasdef AND a.attidentity = '', coalesce(array_position("
        "i.indkey\\:\\:int2[], a.attnum) + 1, 0) FROM pg_attribute a "
        "LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary WHERE "
        "a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attnum"
    ),
}


@dataclass(frozen=True)
class Target:
    """Where the rows of a job go, and how.

    Attributes:
        database: Which one.
        table: Its table.
        job: Names the job.
        insert: Whether rows are new; else rows that are there are changed.
        key: Columns that tell which row is meant; of new rows, one with the same key
            is replaced. Empty where every new row is another one.
        ignore_conflicts: Whether new rows that a constraint refuses are left out.
        job_table: A table with a column ``name`` that gets a row for the job.
    """

    database: Database
    table: str
    job: str
    insert: bool
    key: tuple[str, ...] = ()
    ignore_conflicts: bool = False
    job_table: str = ""

    def layout(self) -> Layout:
        """The table as it is.

        Raises:
            ArgumentError: It is not there, or lacks a column that is in the key.
            StorageError: The database cannot be opened.
        """
        with self.database.reading() as connection:
            return self._layout(connection)

    def check(self) -> Layout:
        """Does all that a commit does, without rows, and takes it back.

        Raises:
            ArgumentError: A table is missing, or cannot be written as it is to be.
            StorageError: The database cannot be opened for writing.
        """
        from sqlalchemy.exc import DBAPIError

        with self.database.writing(keep=False) as connection:
            layout = self._layout(connection)
            try:
                for statement in _OWN_TABLES:
                    connection.exec_driver_sql(statement)
                if self.insert:
                    _run(connection, _Insert(self, layout).without_rows(), {})
                if self.job_table:
                    name = _quoted(self.job_table)
                    _run(
                        connection,
                        f"INSERT INTO {name} (name) SELECT name FROM {name} WHERE 1 = 0",
                        {},
                    )
            except DBAPIError as error:
                raise ArgumentError(
                    f"table {self.table!r} of {self.database.url} cannot be written: "
                    f"{reason(error)}"
                ) from error
        return layout

    def is_committed(self) -> bool:
        """Whether the job has been committed."""
        with self.database.reading() as connection:
            if not _columns(connection, self.database.kind, JOBS):
                return False
            return self._generation(connection) is not None

    def commit(self, generation: str, rows: Iterable[tuple[int, Row]]) -> None:
        """Writes all rows of a job at once, and the job; again changes nothing.

        Rows that an earlier generation has inserted are removed.

        Args:
            generation: Names what is written.
            rows: Checked rows, each with the number of its element.

        Raises:
            StorageError: The database refuses a row, or an earlier generation cannot be
                removed: nothing is written.
            OutcomeUnknownError: The connection was lost while all was committed; the
                same again makes sure.
        """
        with self.database.writing() as connection:
            for statement in _OWN_TABLES:
                connection.exec_driver_sql(statement)
            found = self._generation(connection)
            if found == generation:
                return
            layout = self._layout(connection)
            self._remove_rows(connection)
            if found is not None and self.adds and not layout.primary_key:
                raise StorageError(
                    f"job {self.job!r} has been written to table {self.table!r}, which "
                    "has no primary key by which its rows could be replaced: remove "
                    "them and delete() the stream, or give another job_name"
                )
            write = self._inserted if self.insert else self._updated
            count = write(connection, layout, rows)
            self._note(connection, generation, count)

    def remove(self) -> None:
        """Forgets the job, and removes the rows that it has inserted, by their keys."""
        with self.database.writing() as connection:
            if _columns(connection, self.database.kind, JOBS):
                self._remove_rows(connection)
                _run(
                    connection,
                    f"DELETE FROM {JOBS} WHERE target = :target AND job = :job",
                    self._names,
                )

    @property
    def adds(self) -> bool:
        """Whether each row is another one, whatever is there."""
        return self.insert and not self.key and not self.ignore_conflicts

    @property
    def _names(self) -> dict[str, Any]:
        return {"target": self.table, "job": self.job}

    def _layout(self, connection: Connection) -> Layout:
        found = _columns(connection, self.database.kind, self.table)
        if not found:
            raise ArgumentError(
                f"there is no table {self.table!r} in {self.database.url}"
            )
        layout = Layout(
            _quoted(self.table),
            {column.name: column for column, _ in found},
            tuple(
                column.name
                for column, place in sorted(found, key=lambda each: each[1])
                if place
            ),
            self.database.kind == "postgresql",
        )
        for name in self.key:
            if name not in layout.columns:
                raise ArgumentError(
                    f"table {self.table!r} has no column {name!r}, by which its rows "
                    f"are to be found; it has {', '.join(layout.columns)}"
                )
        return layout

    def _generation(self, connection: Connection) -> str | None:
        found = _run(
            connection,
            f"SELECT generation FROM {JOBS} WHERE target = :target AND job = :job",
            self._names,
        ).scalar()
        return None if found is None else str(found)

    def _remove_rows(self, connection: Connection) -> None:
        """Removes what an earlier commit of this job has inserted."""
        keys = _run(
            connection,
            f"SELECT row_key FROM {ROWS} WHERE target = :target AND job = :job",
            self._names,
        ).scalars()
        held = [json.loads(key) for key in keys]
        if not held:
            return
        layout = self._layout(connection)
        where = _is_row(layout, layout.primary_key)
        for key in held:
            values = [
                layout.columns[name].stored(value)
                for name, value in zip(layout.primary_key, key, strict=True)
            ]
            _run(
                connection,
                f"DELETE FROM {layout.table} WHERE {where}",
                {f"k{i}": value for i, value in enumerate(values)},
            )
        _run(
            connection,
            f"DELETE FROM {ROWS} WHERE target = :target AND job = :job",
            self._names,
        )

    def _inserted(
        self, connection: Connection, layout: Layout, rows: Iterable[tuple[int, Row]]
    ) -> int:
        insert = _Insert(self, layout)
        count = 0
        for names, alike in groupby(self._unlike(rows), lambda row: [*row]):
            # Of two rows in one statement DuckDB may leave out the first.
            most = 1 if self.ignore_conflicts else max(1, _VALUES // len(names))
            while batch := list(islice(alike, most)):
                statement, values = insert.of(names, batch)
                result = _run(connection, statement, values)
                count += len(batch)
                if insert.returns:
                    self._keep_keys(connection, result)
        return count

    def _unlike(self, rows: Iterable[tuple[int, Row]]) -> Iterator[Row]:
        """The rows, none of which has the key of another."""
        seen: dict[str, int] = {}
        for element, row in rows:
            if self.key and not self.ignore_conflicts:
                key = json.dumps([row[name] for name in self.key])
                if key in seen:
                    raise ArgumentError(
                        f"rows of elements {seen[key]} and {element} of job {self.job!r} "
                        f"have the same {', '.join(self.key)}: {key}"
                    )
                seen[key] = element
            yield row

    def _keep_keys(self, connection: Connection, result: Any) -> None:
        keys = [
            {**self._names, "key": json.dumps([plain(value) for value in row])}
            for row in result
        ]
        _run(
            connection,
            f"INSERT INTO {ROWS} (target, job, row_key) VALUES (:target, :job, :key)",
            keys,
        )

    def _updated(
        self, connection: Connection, layout: Layout, rows: Iterable[tuple[int, Row]]
    ) -> int:
        count = 0
        where = _is_row(layout, self.key)
        for element, row in rows:
            names = [name for name in row if name not in self.key]
            assigned = ", ".join(
                f"{_quote(name)} = {layout.parameter(name, f'v{i}')}"
                for i, name in enumerate(names)
            )
            values = {f"v{i}": layout.stored(row, n) for i, n in enumerate(names)}
            values |= {f"k{i}": layout.stored(row, n) for i, n in enumerate(self.key)}
            changed = _run(
                connection,
                f"UPDATE {layout.table} SET {assigned} WHERE {where} RETURNING 1",
                values,
            )
            if changed.first() is None:
                meant = ", ".join(f"{name} = {row[name]!r}" for name in self.key)
                raise StorageError(
                    f"element {element} of job {self.job!r} changes a row that is not "
                    f"in table {self.table!r}: {meant}"
                )
            count += 1
        return count

    def _note(self, connection: Connection, generation: str, count: int) -> None:
        """Notes that the job is done."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _run(
            connection,
            f"DELETE FROM {JOBS} WHERE target = :target AND job = :job",
            self._names,
        )
        _run(
            connection,
            f"INSERT INTO {JOBS} (target, job, generation, written, committed) "
            "VALUES (:target, :job, :generation, :written, :committed)",
            {
                **self._names,
                "generation": generation,
                "written": count,
                "committed": now,
            },
        )
        if self.job_table:
            table = _quoted(self.job_table)
            job = {"job": self.job}
            there = _run(connection, f"SELECT 1 FROM {table} WHERE name = :job", job)
            if there.first() is None:
                _run(connection, f"INSERT INTO {table} (name) VALUES (:job)", job)


_OWN_TABLES = (
    (
        f"CREATE TABLE IF NOT EXISTS {JOBS} (target TEXT, job TEXT, generation TEXT, "
        "written BIGINT, committed TEXT)"
    ),
    f"CREATE TABLE IF NOT EXISTS {ROWS} (target TEXT, job TEXT, row_key TEXT)",
)


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        table: Its name, quoted.
        columns: By name, in order.
        primary_key: Names of the columns of its primary key.
        casts: Whether parameters need their types: among several rows Postgres takes
            them for text.
    """

    table: str
    columns: Mapping[str, TableColumn]
    primary_key: tuple[str, ...]
    casts: bool

    def problem(self, row: Any, target: Target) -> str:
        """What is wrong with a row; '' if nothing is.

        Args:
            row: What an element has.
            target: How it is to be written.
        """
        if not isinstance(row, Mapping):
            return f"a row is an object of columns, got {row!r:.80}"
        if not row:
            return "a row has no columns"
        for name, value in row.items():
            if name not in self.columns:
                return (
                    f"table {target.table!r} has no column {name!r}; it has "
                    f"{', '.join(self.columns)}"
                )
            found = self.columns[name].problem(value)
            if found:
                return found
        for name in target.key:
            if row.get(name) is None:
                return f"it needs {name!r}, to know which row is meant"
        if not target.insert and len(row) == len(target.key):
            return "it changes no column"
        if target.insert:
            for column in self.columns.values():
                if column.is_required and column.name not in row:
                    return column.problem(None)
        return ""

    def stored(self, row: Row, name: str) -> Any:
        """What the driver is given for a value of a row."""
        return self.columns[name].stored(row[name])

    def parameter(self, name: str, parameter: str) -> str:
        """SQL for a value of a column."""
        if not self.casts:
            return f":{parameter}"
        return f"CAST(:{parameter} AS {literal(self.columns[name].type)})"


class _Insert:
    """Statements that insert rows.

    Args:
        target: Where and how.
        layout: Of its table.
    """

    def __init__(self, target: Target, layout: Layout) -> None:
        self._target = target
        self._layout = layout
        self.returns = target.adds and bool(layout.primary_key)

    def without_rows(self) -> str:
        """A statement that inserts nothing, for the database to look at."""
        layout = self._layout
        required = [c.name for c in layout.columns.values() if c.is_required]
        # Others may be generated, and then nothing can be inserted into them.
        names = list(dict.fromkeys([*self._target.key, *required]))
        names = names or list(layout.columns)[-1:]
        columns = ", ".join(map(_quote, names))
        return (
            f"INSERT INTO {layout.table} ({columns}) SELECT {columns} FROM "
            f"{layout.table} WHERE 1 = 0{self._ending(names)}"
        )

    def of(
        self, names: Sequence[str], rows: Sequence[Row]
    ) -> tuple[str, dict[str, Any]]:
        """A statement for rows that have these columns, and its parameters."""
        layout = self._layout
        values: dict[str, Any] = {}
        tuples = []
        for number, row in enumerate(rows):
            parameters = []
            for place, name in enumerate(names):
                parameter = f"r{number}_{place}"
                values[parameter] = layout.stored(row, name)
                parameters.append(layout.parameter(name, parameter))
            tuples.append(f"({', '.join(parameters)})")
        columns = ", ".join(map(_quote, names))
        return (
            f"INSERT INTO {layout.table} ({columns}) VALUES {', '.join(tuples)}"
            f"{self._ending(names)}"
        ), values

    def _ending(self, names: Sequence[str]) -> str:
        target, quote = self._target, _quote
        ending = ""
        if target.ignore_conflicts:
            ending = " ON CONFLICT DO NOTHING"
        elif target.key:
            others = [name for name in names if name not in target.key]
            assigned = ", ".join(f"{quote(n)} = excluded.{quote(n)}" for n in others)
            then = f"UPDATE SET {assigned}" if assigned else "NOTHING"
            ending = f" ON CONFLICT ({', '.join(map(quote, target.key))}) DO {then}"
        if self.returns:
            ending += f" RETURNING {', '.join(map(quote, self._layout.primary_key))}"
        return ending


def _is_row(layout: Layout, key: Sequence[str]) -> str:
    return " AND ".join(
        f"{_quote(name)} = {layout.parameter(name, f'k{i}')}"
        for i, name in enumerate(key)
    )


def _columns(
    connection: Connection, kind: str, table: str
) -> list[tuple[TableColumn, int]]:
    """The columns of a table, each with its place in the primary key, 0 for none."""
    from sqlalchemy.exc import DBAPIError

    name = table if kind == "sqlite" else _quoted(table).replace("\\:", ":")
    try:
        found = _run(connection, _COLUMNS[kind], {"name": name}).fetchall()
    except DBAPIError as error:
        if kind == "duckdb" and "does not exist" in str(error.orig):
            return []
        raise
    return [
        (TableColumn(name, kind_, bool(required)), int(place))
        for name, kind_, required, place in found
    ]


def _quote(name: str) -> str:
    """A name as SQL has it, and as ``text`` takes it."""
    return literal('"' + name.replace('"', '""') + '"')


def _quoted(table: str) -> str:
    """The name of a table, perhaps in a schema."""
    return ".".join(map(_quote, table.split(".")))


def _run(connection: Connection, statement: str, values: Any) -> Any:
    from sqlalchemy import text

    return connection.execute(text(statement), values)


def check_rows(
    layout: Layout, target: Target, element: int, value: Any
) -> list[dict[str, Any]]:
    """The rows of an element.

    Args:
        layout: Of the table.
        target: Where they go.
        element: Its number.
        value: A list of objects, or one; None for no rows.

    Raises:
        ElementTypeError: It does not fit the table; says why.
    """
    if value is None:
        return []
    rows = [value] if isinstance(value, Mapping) else value
    if not isinstance(rows, list):
        raise ElementTypeError(
            f"element {element} of job {target.job!r} must be a list of rows, each an "
            f"object of columns, got {value!r:.80}"
        )
    for row in rows:
        problem = layout.problem(row, target)
        if problem:
            raise ElementTypeError(
                f"element {element} of job {target.job!r}: {problem}"
            )
    return [dict(row) for row in rows]
