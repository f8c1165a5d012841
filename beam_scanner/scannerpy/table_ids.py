"""Numbers of tables: from 0 in the order of creation, never given twice.

Numbers are given when the first of them is asked for, so a run pays nothing, and kept
when something is written that depends on them: a question stores nothing. Until then
they follow from the order of creation. Files below ``.work/tables/``::

    00000000            names of the tables numbered 0, 1, ...
    00000007            names of those numbered 7, 8, ...: begun when 0 to 6 were given
    retired/00000003    table 3 was deleted

Each file is put if absent under the next free number, so of two processes that give
numbers at the same time one wins and the other looks again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from beam_scanner.errors import StorageError
from beam_scanner.storage.descriptor import begin_writing
from beam_scanner.storage.sealed_files import is_sealed, seal, unseal
from beam_scanner.storage.stream_names import WORK
from beam_scanner.stores.object_store import ObjectStore

_ROOT = f"{WORK}tables/"
_RETIRED = f"{_ROOT}retired/"


class TableIds:
    """The numbers of one database's tables.

    Args:
        store: The database's store.

    Examples:
        >>> import tempfile
        >>> from beam_scanner.stores.local_store import LocalStore
        >>> ids = TableIds(LocalStore(tempfile.mkdtemp()))
        >>> ids.assign(['b', 'a'])
        >>> ids.id_of('a'), ids.name_of(0), ids.id_of('c')
        (1, 'b', None)
        >>> ids.retire(['a'])
        >>> ids.assign(['a'])
        >>> ids.id_of('a')
        2
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._batches: dict[int, list[str]] = {}
        self._proposed: list[str] = []
        self._names: dict[int, str] = {}
        self._ids: dict[str, int] = {}

    def id_of(self, name: str) -> int | None:
        """The number of a table; None if it has none."""
        self._refresh()
        return self._ids.get(name)

    def name_of(self, number: int) -> str | None:
        """The table of that number; None if there is none, or not any more."""
        self._refresh()
        return self._names.get(number)

    def all(self) -> dict[str, int]:
        """The numbers of all tables that have one, by name."""
        self._refresh()
        return dict(self._ids)

    def propose(self, names: Iterable[str]) -> None:
        """Gives numbers to tables that have none, in this order; stores nothing."""
        self._refresh()
        new = [name for name in dict.fromkeys(names) if name not in self._ids]
        self._proposed += new
        self._refresh()

    def assign(self, names: Iterable[str] = ()) -> None:
        """Gives numbers to tables that have none, in this order, and keeps all.

        In a database that cannot be written they hold for this object alone.
        """
        self.propose(names)
        while self._proposed:
            try:
                begin_writing(self._store)
                self._store.put_if_absent(
                    f"{_ROOT}{self._next():08d}",
                    seal({"first": self._next(), "names": self._proposed}),
                )
            except StorageError:
                return
            self._refresh()

    def retire(self, names: Iterable[str]) -> None:
        """Takes the numbers of deleted tables out of use."""
        wanted = list(names)
        self._refresh()
        if any(name in self._proposed for name in wanted):
            self.assign()
        for name in wanted:
            if name in self._ids:
                self._store.put_if_absent(f"{_RETIRED}{self._ids[name]:08d}", b"")

    def _next(self) -> int:
        return max((first + len(n) for first, n in self._batches.items()), default=0)

    def _refresh(self) -> None:
        retired = set()
        for key in self._store.list(_ROOT):
            name = key.rsplit("/", 1)[1]
            if not (name.isascii() and name.isdigit()):
                continue
            number = int(name)
            if key.startswith(_RETIRED):
                retired.add(number)
            elif number not in self._batches:
                self._batches[number] = _names(self._store, key)
        self._index(retired)

    def _index(self, retired: set[int]) -> None:
        self._names = {
            number: name
            for first, names in self._batches.items()
            for number, name in enumerate(names, first)
            if number not in retired
        }
        self._ids = {name: number for number, name in self._names.items()}
        self._proposed = [name for name in self._proposed if name not in self._ids]
        for number, name in enumerate(self._proposed, self._next()):
            self._names[number], self._ids[name] = name, number


def _names(store: ObjectStore, key: str) -> list[str]:
    data = store.read(key)
    try:
        # Older releases wrote a bare list.
        plain = data[:1] == b"[" and not is_sealed(data)
        if plain:
            names = json.loads(data)
        else:
            found = unseal(data, ("first", "names"))
            names = found["names"]
            if found["first"] != int(key.rsplit("/", 1)[1]):
                raise ValueError("it is another one of these files")
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
        raise ValueError("no list of names")
    except (StorageError, ValueError, RecursionError) as error:
        raise StorageError(
            f"{store.describe(key)!r}, which has ids of tables, cannot be read: {error}"
        ) from error


def in_creation_order(store: ObjectStore, keys: Iterable[str]) -> list[str]:
    """Keys by the time of their files; where a store does not tell, by themselves."""

    def created(key: str) -> tuple[int, str]:
        path = store.local_path(key)
        try:
            return (0 if path is None else os.stat(path).st_mtime_ns), key
        except OSError:
            return 0, key

    return sorted(keys, key=created)
