"""Locks of the operating system, which go with the process that holds them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from beam_scanner.errors import StorageError

LOCK = ".lock"
"""What the names of lock files end with."""

_MOST_SECONDS = 60.0
_POLL_SECONDS = 0.01


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Holds the lock that a file stands for; makes the file, and removes it.

    Between machines that mount one file system it does what that one's ``flock`` does.

    Raises:
        StorageError: Another process holds it and does not let go.
        OSError: The file system has no locks.
    """
    handle = _lock(path)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)
        # By name: a child that was forked meanwhile has the handle too.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _lock(path: str) -> int:
    end = time.monotonic() + _MOST_SECONDS
    while True:
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who held it before has removed the file, and another may have made one.
            if _is_at(handle, path):
                return handle
        except BlockingIOError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if time.monotonic() > end:
            raise StorageError(
                f"cannot lock {path!r}: another process has held it for "
                f"{_MOST_SECONDS:.0f} s; is one stopped that writes this database?"
            )
        time.sleep(_POLL_SECONDS)


def _open(path: str) -> int:
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # The folder may be removed meanwhile by whoever emptied it.
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _is_at(handle: int, path: str) -> bool:
    try:
        there, held = os.stat(path), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def unlink_unlocked(path: str) -> None:
    """Removes the file of a lock, as a crash leaves one, unless somebody holds it."""
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(handle, path):
            os.unlink(path)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
