"""Collecting garbage: files that are proved to be a database's own, and unused.

The proof goes by folders, never by the name in a descriptor. A file may go if it has
the name of a segment's file and lies in the folder of a generation; if no link and no
other database lies above it; if the descriptor beside that folder, where there is one,
can be read, lies where its name says and does not list it; and if nobody writes that
generation. The order of steps matters: files are listed first, then the writers are
looked up, then descriptors are read. So what is published meanwhile is seen by one of
the last two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from beam_scanner.errors import StorageError
from beam_scanner.storage.commit import is_whole
from beam_scanner.storage.descriptor import (
    check_database,
    is_in_place,
    own_keys,
    parse_at,
)
from beam_scanner.storage.stream_names import (
    DESCRIPTOR,
    MARKER,
    SEGMENTS,
    WORK,
    is_generation,
    is_segment_file,
)
from beam_scanner.storage.writer_marks import remove_old_marks, written_now
from beam_scanner.stores.object_store import ObjectNotFoundError, ObjectStore

_SCRATCH_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Garbage:
    """What :func:`gc` found.

    Attributes:
        keys: Keys of the unused files.
        size_bytes: Their size.
        scratch_files: How many abandoned temporary files were removed.
        left: What was left alone although no stream needs it as it lies, and why.
    """

    keys: tuple[str, ...]
    size_bytes: int
    scratch_files: int
    left: tuple[str, ...] = ()


def gc(
    store: ObjectStore,
    live: Callable[[], Collection[str]] = tuple,
    dry_run: bool = False,
    scratch_seconds: float = _SCRATCH_SECONDS,
) -> Garbage:
    """Removes segment files that no committed stream, writer or live run needs.

    Args:
        store: The database's store.
        live: Gives the generations that runs are still writing, or may resume; asked
            when all files have been listed.
        dry_run: Only report the files that would be removed.
        scratch_seconds: Temporary files untouched for so long are abandoned.

    Raises:
        StorageError: There is no database, or it cannot be read; nothing was removed.

    Examples:
        >>> import tempfile
        >>> from beam_scanner.stores.local_store import LocalStore
        >>> store = LocalStore(tempfile.mkdtemp())
        >>> _ = check_database(store, create=True)
        >>> store.put('a/g1.segments/00000000-x.parquet', b'left by a crash')
        >>> gc(store, live=lambda: {'g2'}).keys
        ('a/g1.segments/00000000-x.parquet',)
    """
    if not store.exists(MARKER):
        raise StorageError(
            f"there is no database in {store.url!r}: nothing was removed"
        )
    check_database(store)
    folders = _generations(store)
    needed = frozenset(live()) | written_now(store)
    sweep = _Sweep(store, dry_run)
    for folder, generations in folders.items():
        used = sweep.used(folder)
        if used is None:
            continue
        for generation, keys in generations.items():
            if generation.removesuffix(SEGMENTS) not in needed:
                sweep.remove([key for key in keys if key not in used])
    scratch = 0
    if not dry_run:
        remove_old_marks(store)
        scratch = store.clear_scratch(scratch_seconds)
    return Garbage(tuple(sweep.keys), sweep.size, scratch, tuple(sweep.left))


def _generations(store: ObjectStore) -> dict[str, dict[str, list[str]]]:
    """Files in folders of generations, by stream folder and generation folder."""
    found: dict[str, dict[str, list[str]]] = {}
    for key in own_keys(store, lambda f: f == WORK or store.is_link(f)):
        above, _, _ = key.rpartition("/")
        folder, _, generation = above.rpartition("/")
        if folder and is_generation(f"{generation}/"):
            found.setdefault(folder, {}).setdefault(generation, []).append(key)
    return found


class _Sweep:
    """Removes files, and keeps account of it.

    Attributes:
        keys: What was removed, or would be.
        size: Its bytes.
        left: What was left alone, and why.
    """

    def __init__(self, store: ObjectStore, dry_run: bool) -> None:
        self._store = store
        self._dry_run = dry_run
        self.keys: list[str] = []
        self.size = 0
        self.left: list[str] = []

    def used(self, folder: str) -> set[str] | None:
        """Files that the descriptor in a folder lists; None to leave all alone."""
        key = f"{folder}/{DESCRIPTOR}"
        data = self._store.try_read(key)
        if data is None:
            return set()
        try:
            current = parse_at(self._store, key, data)
        except StorageError as error:
            self._leave(folder, str(error))
            return None
        if not is_in_place(current, folder):
            why = f"it holds stream {current.name!r}, so it was moved or copied to here"
            self._leave(folder, why)
            return None
        if not is_whole(self._store, current):
            # It may be damaged, and name another generation than it did.
            self._leave(folder, f"files of stream {current.name!r} are missing")
            return None
        return set(current.files_in(folder))

    def _leave(self, key: str, why: str) -> None:
        self.left.append(f"{self._store.describe(key)}: {why}")

    def remove(self, keys: Collection[str]) -> None:
        """Removes files that have the names of segments' files."""
        for key in keys:
            if not is_segment_file(key.rpartition("/")[2]):
                why = "no file of a stream is called so"
            elif self._store.is_link(key):
                why = "it is a link"
            else:
                why = self._remove(key)
            if why:
                self._leave(key, why)

    def _remove(self, key: str) -> str:
        try:
            size = self._store.size(key)
            if not self._dry_run:
                self._store.delete(key)
        except ObjectNotFoundError:
            # Somebody else has removed it.
            return ""
        except StorageError as error:
            return str(error)
        self.keys.append(key)
        self.size += size
        return ""
