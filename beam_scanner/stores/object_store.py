"""Object stores: where the files of a database lie.

A *key* is a relative path with '/' between its parts. The interface asks for no
more than object storage can give: whole objects put atomically, put-if-absent,
range reads and listing by prefix. Nothing half-written is ever visible under a key.

Keys under ``.tmp/`` are a store's own scratch space; listings leave them out.
"""

from __future__ import annotations

import errno
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from beam_scanner.errors import ObjectNotFoundError as ObjectNotFoundError
from beam_scanner.errors import StorageError

SCRATCH = ".tmp/"

Data = bytes | os.PathLike[str]
"""The content of an object: bytes, or the path of a local file."""


class ObjectStore(ABC):
    """What a database needs of the place where its files lie.

    Implementations must be picklable without open handles. Every failure is a
    ``StorageError`` that names the path;
    ``ObjectNotFoundError`` where the key is absent.

    Attributes:
        url: The store's root, as ``open_store`` takes it.
    """

    url: str

    @abstractmethod
    def put(self, key: str, data: Data) -> None:
        """Stores an object, durably and atomically, replacing what was there.

        Args:
            key: Where.
            data: The bytes, or the path of a local file whose content is taken
                over: the file itself is gone afterwards.
        """

    @abstractmethod
    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Stores an object unless the key is taken; of many callers one wins.

        Returns:
            True for the caller whose object now lies there.
        """

    def put_if(self, key: str, data: bytes, expected: bytes | None) -> bool:
        """Stores an object if the key still holds what was read there.

        Streams are published by this. A store that inherits it checks and then puts:
        two writers that replace one object at the same moment may both get True. Stores that several writers use should override it with what their
        service offers, and ``StorageConformance``
        tests them.

        Args:
            key: Where.
            data: The bytes.
            expected: The bytes that must be there; None for no object.

        Returns:
            True for the caller whose object now lies there. After an error it may lie
            there or not.
        """
        if expected is None:
            return self.put_if_absent(key, data)
        if self.try_read(key) != expected:
            return False
        self.put(key, data)
        return True

    def delete_if(self, key: str, expected: bytes) -> bool:
        """Removes an object if the key still holds what was read there.

        A store that inherits it checks and then deletes.

        Returns:
            Whether it was removed.
        """
        if self.try_read(key) != expected:
            return False
        self.delete(key)
        return True

    @abstractmethod
    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes ``[start, stop)`` of an object, cut short at its end."""

    @abstractmethod
    def size(self, key: str) -> int:
        """The number of bytes of an object."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether an object lies under the key (a folder is not an object)."""

    @abstractmethod
    def list(
        self, prefix: str = "", skip: Callable[[str], bool] | None = None
    ) -> Iterator[str]:
        """Yields the keys that begin with ``prefix``, in lexicographic order.

        Args:
            prefix: Any beginning of a key; not only whole folders.
            skip: Is given folders (``'a/b/'``) and says which to leave out; a
                local store does not look into those.
        """

    def sizes(self, prefix: str) -> dict[str, int]:
        """The number of bytes of each object whose key begins with ``prefix``."""
        found = {}
        for key in self.list(prefix):
            with suppress(ObjectNotFoundError):
                found[key] = self.size(key)
        return found

    def is_link(self, key: str) -> bool:
        """Whether a file or folder is a symbolic link to another one."""
        return False

    @abstractmethod
    def delete(self, key: str) -> None:
        """Removes an object; does nothing if it does not exist."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Opens an object for reading, seekable."""

    def local_path(self, key: str) -> str | None:
        """The path at which other programs find the object; None if remote."""
        return None

    @property
    def is_local(self) -> bool:
        """Whether objects are files of this machine, which are cheap to list and read."""
        return self.local_path("any") is not None

    def describe(self, key: str) -> str:
        """How errors and listings name the object: a path or a URL."""
        return self.local_path(key) or f"{self.url}/{key}"

    def scratch(self, suffix: str = "") -> str:
        """A fresh path on this machine for a file that ``put`` takes later."""
        handle, path = tempfile.mkstemp(suffix=suffix, prefix="beam_scanner-")
        os.close(handle)
        return path

    def clear_scratch(self, older_than_seconds: float) -> int:
        """Removes what crashed writers left in scratch space; returns how many."""
        return 0

    def relaxed(self) -> ObjectStore:
        """The same store for objects that need not survive a power failure."""
        return self

    def try_read(self, key: str) -> bytes | None:
        """The bytes of an object, or None if it does not exist."""
        try:
            return self.read(key)
        except ObjectNotFoundError:
            return None


_REASONS = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.EEXIST: "a file is where a folder should be",
    errno.ENOTDIR: "a file is where a folder should be",
    errno.EISDIR: "a folder is where a file should be",
    errno.ENAMETOOLONG: "the path is too long for this file system",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.ENOLCK: "a database needs a file system with locks (flock)",
    errno.ENOSYS: "a database needs a file system with locks (flock)",
}


@contextmanager
def storage_errors(action: str, path: str) -> Iterator[None]:
    """Turns ``OSError`` into a ``StorageError`` that names the path.

    Args:
        action: What was tried, as in "cannot <action> '<path>'".
        path: The file or folder.
    """
    try:
        yield
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise ObjectNotFoundError(f"cannot {action} {path!r}: no such file") from error
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise StorageError(f"cannot {action} {path!r}: {reason}") from error
