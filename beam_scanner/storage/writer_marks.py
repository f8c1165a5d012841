"""Marks of writers at work: what they write is not garbage, although nothing names it.

Runs keep marks of their own, with what they can go on with. Here are those of other
writers, as ``save``: a file ``.work/writers/<generation>/...`` for as long as a
generation is written. A lock shows whether a process of this machine is still alive;
other marks count for a week.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO
from weakref import WeakSet

from beam_scanner.errors import StorageError
from beam_scanner.storage.stream_names import WORK
from beam_scanner.stores.object_store import ObjectStore, storage_errors

WRITERS = f"{WORK}writers/"
_HELD = "held"
_MOST_SECONDS = 7 * 24 * 3600.0

_open: WeakSet[BinaryIO] = WeakSet()
"""Locked files of this process."""


def locked_file(store: ObjectStore, key: str) -> BinaryIO | None:
    """Puts a file that stays locked while it is open, here or in a child that has it.

    The lock is the operating system's, so in a bucket there is nothing: None.
    """
    if store.local_path(key) is None:
        return None
    scratch = store.scratch()
    with storage_errors("write", scratch):
        file = open(scratch, "wb")  # noqa: SIM115
    try:
        file.write(_now())
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        store.put(key, Path(scratch))
    except BaseException:
        file.close()
        raise
    return keep_locked(file)


def keep_locked(file: BinaryIO) -> BinaryIO:
    """Closes a locked file in processes that are forked from now on.

    One that a kernel forked would hold the lock when this process has died. Programs
    that are started with the file open keep it.
    """
    _open.add(file)
    return file


@contextmanager
def held(store: ObjectStore, key: str) -> Iterator[BinaryIO | None]:
    """Puts a file that stays locked until this process ends the block, or dies."""
    with locked_file(store, key) or nullcontext() as file:
        yield file


def _in_child() -> None:
    while _open:
        _open.pop().close()


os.register_at_fork(after_in_child=_in_child)


def is_abandoned(store: ObjectStore, key: str) -> bool:
    """Whether the process that held a file has died, as far as this machine knows."""
    try:
        return not _is_locked(store, key)
    except OSError:
        return False


def is_held(store: ObjectStore, key: str) -> bool:
    """Whether a process is known to hold a file, and to live."""
    try:
        return _is_locked(store, key)
    except OSError:
        return False


def _is_locked(store: ObjectStore, key: str) -> bool:
    with open(store.local_path(key) or "") as file:
        try:
            # Shared: two that ask at the same time must not take each other for its
            # holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def writing(store: ObjectStore, generation: str) -> Iterator[None]:
    """Marks a generation that this process writes."""
    key = f"{WRITERS}{generation}/{_HELD}"
    store = store.relaxed()
    if store.local_path(key) is None:
        mark(store, generation, _HELD)
    with held(store, key):
        try:
            yield
        finally:
            with suppress(StorageError):
                store.delete(key)


def mark(store: ObjectStore, generation: str, part: str) -> None:
    """Marks a part of a generation that several processes write."""
    store.relaxed().put(f"{WRITERS}{generation}/{part}", _now())


def unmark(store: ObjectStore, generation: str, part: str) -> None:
    """Removes the mark of a part."""
    store.delete(f"{WRITERS}{generation}/{part}")


def written_now(store: ObjectStore) -> set[str]:
    """The generations that are being written, as far as is known."""
    found = set()
    for key in list(store.list(WRITERS)):
        generation, _, part = key.removeprefix(WRITERS).partition("/")
        if not (part == _HELD and is_abandoned(store, key)) and _is_young(store, key):
            found.add(generation)
    return found


def remove_old_marks(store: ObjectStore) -> None:
    """Removes the marks that no longer count."""
    known = written_now(store)
    for key in list(store.list(WRITERS)):
        if key.removeprefix(WRITERS).partition("/")[0] not in known:
            store.delete(key)


def _now() -> bytes:
    return str(time.time()).encode()


def _is_young(store: ObjectStore, key: str) -> bool:
    data = store.try_read(key)
    try:
        return data is not None and time.time() - float(data) < _MOST_SECONDS
    except ValueError:
        return False
