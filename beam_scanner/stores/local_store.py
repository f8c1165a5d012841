"""Stores in folders of this machine, or of file systems that it mounts."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from beam_scanner.errors import StorageError
from beam_scanner.stores.locks import LOCK, locked, unlink_unlocked
from beam_scanner.stores.object_store import SCRATCH, Data, ObjectStore, storage_errors
from beam_scanner.stores.object_urls import check_key, is_possible
from beam_scanner.stores.regular_files import open_regular

# How often a folder that others remove is made again: of several that put and delete in
# one folder, each try fails about as often as it succeeds.
_TRIES = 200
_PAUSE_SECONDS = 0.002


class LocalStore(ObjectStore):
    """A folder of a local (or mounted) file system.

    Files are written aside, flushed to the disk and then renamed or linked into
    place, so that a reader sees a whole object or none, even after a power cut.
    The folder is made by the first write.

    Args:
        root: The folder.
        durable: False leaves out flushing to the disk: faster, and still atomic
            while the machine stays up.

    Examples:
        >>> import tempfile
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
        """See ``ObjectStore.relaxed``: without flushing to the disk."""
        return LocalStore(self.root, durable=False)

    def __repr__(self) -> str:
        return f"LocalStore({self.root!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalStore) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def local_path(self, key: str) -> str:
        """The path of the key; an ArgumentError where it would leave the root."""
        check_key(key)
        return os.path.join(self.root, *key.split("/"))

    def put(self, key: str, data: Data) -> None:
        """See ``ObjectStore.put``; a file on the same disk is just renamed."""
        path = self.local_path(key)
        with storage_errors("write", path):
            if isinstance(data, bytes):
                source = self._written(data)
            else:
                source = self._near(data)
            with _removed_on_error(source):
                self._in_folder(path, lambda: os.replace(source, path))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See ``ObjectStore.put_if_absent``; ``link`` refuses a taken name."""
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
        """See ``ObjectStore.put_if``; the operating system's locks decide."""
        if expected is None:
            return self.put_if_absent(key, data)
        with self._locked(key):
            return super().put_if(key, data, expected)

    def delete_if(self, key: str, expected: bytes) -> bool:
        """See ``ObjectStore.delete_if``."""
        with self._locked(key):
            return super().delete_if(key, expected)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Keeps other processes and threads from the key; ends with the process."""
        digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16)
        path = os.path.join(self.root, SCRATCH, digest.hexdigest() + LOCK)
        with storage_errors("lock", path), locked(path):
            yield

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See ``ObjectStore.read``."""
        with self.open(key) as file:
            if start:
                file.seek(start)
            return file.read() if stop is None else file.read(max(0, stop - start))

    def size(self, key: str) -> int:
        """See ``ObjectStore.size``."""
        path = self.local_path(key)
        with storage_errors("read", path):
            return os.stat(path).st_size

    def exists(self, key: str) -> bool:
        """See ``ObjectStore.exists``."""
        return os.path.isfile(self.local_path(key))

    def list(
        self, prefix: str = "", skip: Callable[[str], bool] | None = None
    ) -> Iterator[str]:
        """See ``ObjectStore.list``."""
        folder = prefix.rpartition("/")[0]
        if folder and not is_possible(folder):
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
        """See ``ObjectStore.is_link``."""
        return os.path.islink(self.local_path(key.removesuffix("/")))

    def delete(self, key: str) -> None:
        """See ``ObjectStore.delete``; folders that become empty go too."""
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
        """See ``ObjectStore.open``; refuses pipes, sockets and devices."""
        path = self.local_path(key)
        with storage_errors("read", path):
            return open_regular(path)

    def scratch(self, suffix: str = "") -> str:
        """See ``ObjectStore.scratch``; on the same disk as the objects."""
        folder = os.path.join(self.root, SCRATCH[:-1])
        with storage_errors("write to", folder):
            os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, uuid.uuid4().hex + suffix)

    def clear_scratch(self, older_than_seconds: float) -> int:
        """See ``ObjectStore.clear_scratch``."""
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
        with _removed_on_error(source), open(source, "wb") as file:
            file.write(data)
            file.flush()
            if self.durable:
                os.fsync(file.fileno())
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
                with _removed_on_error(scratch):
                    shutil.copyfile(source, scratch)
                os.unlink(source)
        if self.durable:
            _flush(scratch)
        return scratch

    def _in_folder(self, path: str, place: Callable[[], None]) -> None:
        """Places a file, making its folder; another process may remove that."""
        folder = os.path.dirname(path)
        made: tuple[str, ...] | None = None
        for left in reversed(range(_TRIES)):
            try:
                made = self._make_folder(folder)
                place()
                break
            except (FileNotFoundError, FileExistsError) as error:
                taken = isinstance(error, FileExistsError) and made is not None
                if taken or not left:
                    raise
                made = None
                # Who removes it may do so each time, if both are as quick.
                time.sleep(random.uniform(0, _PAUSE_SECONDS))
        assert made is not None
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


@contextmanager
def _removed_on_error(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise


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
                "links, which this one lacks"
            ) from error
        raise


def _flush(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
