"""Object stores: where the files of a database lie.

A *key* is a relative path with '/' between its parts. The interface asks for no
more than object storage can give: whole objects put atomically, put-if-absent,
range reads and listing by prefix. Nothing half-written is ever visible under a key.

Keys under ``.tmp/`` are a store's own scratch space; listings leave them out.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.errors import ObjectNotFoundError as ObjectNotFoundError
from beam_scanner.stores.locks import LOCK, locked, unlink_unlocked
from beam_scanner.stores.regular_files import special_kind

SCRATCH = ".tmp/"

# How often a folder that another process removes is made again.
_TRIES = 20


class ObjectStore(ABC):
    """What a database needs of the place where its files lie.

    Implementations must be picklable without open handles. Every failure is a
    :class:`~beam_scanner.errors.StorageError` that names the path;
    :class:`ObjectNotFoundError` where the key is absent.

    Attributes:
        url: The store's root, as :func:`~beam_scanner.stores.open.open_store` takes it.
    """

    url: str

    @abstractmethod
    def put(self, key: str, data: bytes | os.PathLike[str]) -> None:
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
        two writers that replace one object at the same moment may both be told that
        they did. Stores that several writers use should override it with what their
        service offers, and :class:`~beam_scanner.storage.testing.StorageConformance`
        tests them.

        Args:
            key: Where.
            data: The bytes.
            expected: What is to be there; None for nothing.

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
        """Whether an object lies under the key (a folder is none)."""

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
        """Removes an object; an absent one is no error."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Opens an object for reading, seekable."""

    def local_path(self, key: str) -> str | None:
        """The path at which other programs find the object; None if remote."""
        return None

    def describe(self, key: str) -> str:
        """How errors and listings name the object: a path or a URL."""
        return self.local_path(key) or f"{self.url}/{key}"

    def scratch(self, suffix: str = "") -> str:
        """A fresh path on this machine for a file that :meth:`put` takes later."""
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
        """The bytes of an object, or None if there is none."""
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


class LocalStore(ObjectStore):
    """A folder of a local (or mounted) file system.

    Files are written aside, flushed to the disk and then renamed or linked into
    place, so that a reader sees a whole object or none, even after a power cut.
    The folder is made by the first write.

    Args:
        root: The folder.
        durable: False leaves out flushing to the disk: faster, and still atomic
            while the machine stays up.

    Example:
        >>> store = LocalStore(tempfile.mkdtemp())
        >>> store.put('a/b.txt', b'hello')
        >>> store.read('a/b.txt', 1, 3), list(store.list('a/'))
        (b'el', ['a/b.txt'])
        >>> store.put_if_absent('a/b.txt', b'other')
        False
    """

    def __init__(self, root: str | os.PathLike[str], durable: bool = True) -> None:
        try:
            self.root = os.path.abspath(os.fspath(root))
        except FileNotFoundError:
            raise StorageError(
                f"{root!r} is relative to the working folder, which was removed"
            ) from None
        self.url = self.root
        self.durable = durable

    def relaxed(self) -> LocalStore:
        """See :meth:`ObjectStore.relaxed`: without flushing to the disk."""
        return LocalStore(self.root, durable=False)

    def __repr__(self) -> str:
        return f"LocalStore({self.root!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalStore) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def local_path(self, key: str) -> str:
        """The path of the key; an ArgumentError where it would leave the root."""
        if not _possible(key):
            raise ArgumentError(
                f"impossible key {key!r}: expected a relative path without empty "
                "parts, '.' or '..'"
            )
        return os.path.join(self.root, *key.split("/"))

    def put(self, key: str, data: bytes | os.PathLike[str]) -> None:
        """See :meth:`ObjectStore.put`; a file on the same disk is just renamed."""
        path = self.local_path(key)
        with storage_errors("write", path):
            source = (
                self._written(data) if isinstance(data, bytes) else self._near(data)
            )
            try:
                self._in_folder(path, lambda: os.replace(source, path))
            except BaseException:
                with suppress(OSError):
                    os.unlink(source)
                raise

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See :meth:`ObjectStore.put_if_absent`; ``link`` refuses a taken name."""
        path = self.local_path(key)
        with storage_errors("write", path):
            if os.path.exists(path):
                return False
            source = self._written(data)
            try:
                self._in_folder(path, lambda: _link(source, path))
            except FileExistsError:
                return False
            finally:
                os.unlink(source)
        return True

    def put_if(self, key: str, data: bytes, expected: bytes | None) -> bool:
        """See :meth:`ObjectStore.put_if`; the operating system's locks decide."""
        if expected is None:
            return self.put_if_absent(key, data)
        with self._locked(key):
            if self.try_read(key) != expected:
                return False
            self.put(key, data)
        return True

    def delete_if(self, key: str, expected: bytes) -> bool:
        """See :meth:`ObjectStore.delete_if`."""
        with self._locked(key):
            if self.try_read(key) != expected:
                return False
            self.delete(key)
        return True

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Keeps other processes and threads from the key; ends with the process."""
        path = self._lock_path(key)
        with storage_errors("lock", path), locked(path):
            yield

    def _lock_path(self, key: str) -> str:
        digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16)
        name = digest.hexdigest() + LOCK
        return os.path.join(self.root, SCRATCH[:-1], name)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See :meth:`ObjectStore.read`."""
        with self._open(key) as file:
            if start:
                file.seek(start)
            return file.read() if stop is None else file.read(max(0, stop - start))

    def size(self, key: str) -> int:
        """See :meth:`ObjectStore.size`."""
        path = self.local_path(key)
        with storage_errors("read", path):
            return os.stat(path).st_size

    def exists(self, key: str) -> bool:
        """See :meth:`ObjectStore.exists`."""
        return os.path.isfile(self.local_path(key))

    def list(
        self, prefix: str = "", skip: Callable[[str], bool] | None = None
    ) -> Iterator[str]:
        """See :meth:`ObjectStore.list`."""
        folder = prefix.rpartition("/")[0]
        if folder and not _possible(folder):
            return iter(())
        return self._walk(f"{folder}/" if folder else "", prefix, skip)

    def _walk(
        self,
        folder: str,
        prefix: str,
        skip: Callable[[str], bool] | None,
        above: tuple[str, ...] = (),
    ) -> Iterator[str]:
        """``above``: real paths of the folders whose links led here."""
        path = self.local_path(folder[:-1]) if folder else self.root
        with storage_errors("list", path):
            try:
                with os.scandir(path) as entries:
                    kinds = [(e.name, _kind(e), e.is_symlink()) for e in entries]
            except (FileNotFoundError, NotADirectoryError):
                return
        links = {f"{folder}{name}/" for name, _, is_link in kinds if is_link}
        for key in sorted(f"{folder}{n}{kind}" for n, kind, _ in kinds if kind != "?"):
            is_folder = key.endswith("/")
            if not (key.startswith(prefix) or (is_folder and prefix.startswith(key))):
                continue
            if not is_folder:
                yield key
            elif key != SCRATCH and not (skip is not None and skip(key)):
                through = above
                if key in links:
                    through = (*above, os.path.realpath(path))
                    if _leads_back(os.path.join(self.root, key[:-1]), through):
                        continue
                yield from self._walk(key, prefix, skip, through)

    def is_link(self, key: str) -> bool:
        """See :meth:`ObjectStore.is_link`."""
        return os.path.islink(self.local_path(key.removesuffix("/")))

    def delete(self, key: str) -> None:
        """See :meth:`ObjectStore.delete`; folders that become empty go too."""
        path = self.local_path(key)
        with storage_errors("delete", path):
            with suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(path)
            folder = os.path.dirname(path)
            with suppress(OSError):
                while folder != self.root:
                    os.rmdir(folder)
                    folder = os.path.dirname(folder)

    def open(self, key: str) -> BinaryIO:
        """See :meth:`ObjectStore.open`."""
        return self._open(key)

    def _open(self, key: str) -> io.BufferedReader:
        path = self.local_path(key)
        if kind := special_kind(path):
            raise StorageError(f"cannot read {path!r}: it is {kind}, not a file")
        with storage_errors("read", path):
            return open(path, "rb")

    def scratch(self, suffix: str = "") -> str:
        """See :meth:`ObjectStore.scratch`; on the same disk as the objects."""
        folder = os.path.join(self.root, SCRATCH[:-1])
        with storage_errors("write to", folder):
            os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, uuid.uuid4().hex + suffix)

    def clear_scratch(self, older_than_seconds: float) -> int:
        """See :meth:`ObjectStore.clear_scratch`."""
        folder = os.path.join(self.root, SCRATCH[:-1])
        removed = 0
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            limit = time.time() - older_than_seconds
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime >= limit:
                        continue
                    if entry.name.endswith(LOCK):
                        unlink_unlocked(entry.path)
                        continue
                    os.unlink(entry.path)
                    removed += 1
        return removed

    def _written(self, data: bytes) -> str:
        source = self.scratch()
        try:
            with open(source, "wb") as file:
                file.write(data)
                file.flush()
                if self.durable:
                    os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                os.unlink(source)
            raise
        return source

    def _near(self, path: os.PathLike[str]) -> str:
        """The file, flushed, on the root's disk."""
        source = os.fspath(path)
        scratch = self.scratch()
        if os.path.dirname(source) == os.path.dirname(scratch):
            scratch = source
        else:
            try:
                os.rename(source, scratch)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy(source, scratch)
        if self.durable:
            _flush(scratch)
        return scratch

    def _copy(self, source: str, target: str) -> None:
        try:
            shutil.copyfile(source, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(target)
            raise
        os.unlink(source)

    def _in_folder(self, path: str, place: Callable[[], None]) -> None:
        """Places a file, making its folder; another process may remove that."""
        folder = os.path.dirname(path)
        for left in reversed(range(_TRIES)):
            try:
                made = self._make_folder(folder)
            except (FileNotFoundError, FileExistsError):
                if left:
                    continue
                raise
            try:
                place()
                break
            except FileNotFoundError:
                if not left:
                    raise
        if self.durable:
            for changed in (folder, *made):
                with suppress(FileNotFoundError):
                    _flush(changed)

    def _make_folder(self, folder: str) -> tuple[str, ...]:
        """Makes a folder; returns the parents of those that were missing."""
        parents = []
        missing = folder
        while not os.path.isdir(missing):
            missing = os.path.dirname(missing)
            parents.append(missing)
            if missing == os.path.dirname(missing):
                break
        os.makedirs(folder, exist_ok=True)
        return tuple(parents)


def _kind(entry: os.DirEntry[str]) -> str:
    """'/' for a folder, '' for a file, '?' for all that is neither."""
    try:
        return "/" if entry.is_dir() else "" if entry.is_file() else "?"
    except OSError:
        # A link to itself.
        return "?"


def _leads_back(link: str, above: tuple[str, ...]) -> bool:
    """Whether a link leads to a folder that one of these is, or lies in."""
    target = os.path.realpath(link)
    return any(f"{folder}/".startswith(f"{target}/") for folder in above)


def _link(source: str, path: str) -> None:
    try:
        os.link(source, path)
    except OSError as error:
        # FAT, and some folders shared with a host or a cloud.
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise StorageError(
                f"cannot write {path!r}: a database needs a file system with hard "
                "links, which this one has not"
            ) from error
        raise


def _possible(key: str) -> bool:
    parts = key.split("/")
    return not any(part in ("", ".", "..") or "\0" in part for part in parts)


def _flush(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
