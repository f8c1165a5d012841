"""Files of the file systems that Beam knows, such as HDFS and Azure's blobs.

Videos are read from there by ranges. A database cannot lie there: streams are published
by writes on a condition, which Beam's file systems do not have.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, BinaryIO, cast

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.errors import ArgumentError, MissingDependencyError, StorageError
from beam_scanner.stores.object_file import ObjectFile
from beam_scanner.stores.object_store import Data, ObjectNotFoundError, ObjectStore
from beam_scanner.stores.object_urls import is_object_url

_EXTRAS = {"hdfs": "hadoop", "azfs": "azure"}
_LATE = {"azfs": "azure.storage.blob"}
"""Packages that a file system misses only when it is asked for something."""
_SCHEME = re.compile("[A-Za-z][-A-Za-z0-9+.]*")

# Files that were changed a moment ago may change again, and keep their time.
_SETTLED_SECONDS = 10.0


def is_beam_url(path: object) -> bool:
    """Whether a path is a URL that only one of Beam's file systems could open.

    Examples:
        >>> is_beam_url('hdfs://films/a.mp4'), is_beam_url('gs://films/a.mp4')
        (True, False)
        >>> is_beam_url('films/a.mp4'), is_beam_url('file:///films/a.mp4')
        (False, False)
    """
    if not isinstance(path, str) or is_object_url(path):
        return False
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme != "file" and bool(_SCHEME.fullmatch(scheme))


def check_scheme(url: str) -> None:
    """Refuses a URL of which Beam does not know the scheme.

    Raises:
        ArgumentError: Names the URL, and what would help.

    Examples:
        >>> check_scheme('ftp://films/a.mp4')
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: 'ftp://films/a.mp4' cannot be read: no file \
system is registered with Beam for 'ftp://'
    """
    import_beam()
    from beam_scanner.beam_internals.file_systems import has_file_system

    if not has_file_system(url):
        scheme = url.partition("://")[0]
        extra = _EXTRAS.get(scheme)
        hint = f": pip install 'apache-beam[{extra}]'" if extra else ""
        raise ArgumentError(
            f"{url!r} cannot be read: no file system is registered with Beam for "
            f"'{scheme}://'{hint}"
        )


def check_file_system(url: str) -> None:
    """Refuses a URL of which the file system cannot be opened with its options.

    Raises:
        ArgumentError: Beam knows none, or an option is missing.
        MissingDependencyError: A package is missing.
    """
    check_scheme(url)
    _file_system(url)


def _file_system(url: str) -> Any:
    import_beam()
    from beam_scanner.beam_internals.file_systems import file_system_of

    scheme = url.partition("://")[0]
    try:
        if scheme in _LATE:
            import_module(_LATE[scheme])
        return file_system_of(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        hint = f"pip install 'apache-beam[{extra}]'" if extra else error
        raise MissingDependencyError(f"{url!r} needs a package: {hint}") from error
    except Exception as error:
        raise ArgumentError(
            f"{url!r}: the file system for '{scheme}://' cannot be opened: {error}"
        ) from error


class BeamStore(ObjectStore):
    """A folder of one of Beam's file systems.

    Args:
        url: As in ``hdfs://films/tv``.

    Examples:
        >>> BeamStore('hdfs://films/tv/').describe('a.mp4')
        'hdfs://films/tv/a.mp4'
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") if not url.endswith("://") else url

    def __repr__(self) -> str:
        return f"BeamStore({self.url!r})"

    def describe(self, key: str) -> str:
        """See :meth:`ObjectStore.describe`."""
        return f"{self.url}{key}" if self.url.endswith("/") else f"{self.url}/{key}"

    @contextmanager
    def _request(self, action: str, key: str) -> Iterator[tuple[Any, str]]:
        """Yields the file system and the URL; file systems raise what they like."""
        url = self.describe(key)
        system = _file_system(url)
        try:
            yield system, url
        except StorageError:
            raise
        except Exception as error:
            is_missing = isinstance(error, FileNotFoundError)
            if not is_missing:
                with suppress(Exception):
                    is_missing = not system.exists(url)
            if is_missing:
                raise ObjectNotFoundError(
                    f"cannot {action} {url!r}: no such file"
                ) from error
            raise StorageError(f"cannot {action} {url!r}: {error}") from error

    def put(self, key: str, data: Data) -> None:
        """Writes a file; unlike in other stores, others may see a part of it."""
        if not isinstance(data, bytes):
            path = os.fspath(data)
            with open(path, "rb") as file:
                self.put(key, file.read())
            os.unlink(path)
            return
        self.delete(key)
        with self._request("write", key) as (system, url):
            if system.has_dirs():
                with suppress(Exception):  # It is there.
                    system.mkdirs(url.rpartition("/")[0])
            with system.create(url, compression_type=_as_it_is()) as file:
                file.write(data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Beam's file systems cannot do this."""
        raise StorageError(
            f"cannot write {self.describe(key)!r} on a condition: Beam's file systems "
            "cannot, so no database can lie there"
        )

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See :meth:`ObjectStore.read`."""
        with self.open(key) as file:
            file.seek(start)
            return file.read(-1 if stop is None else max(stop - start, 0))

    def size(self, key: str) -> int:
        """See :meth:`ObjectStore.size`."""
        with self._request("read", key) as (system, url):
            return int(system.metadata(url).size_in_bytes)

    def exists(self, key: str) -> bool:
        """See :meth:`ObjectStore.exists`."""
        with self._request("look for", key) as (system, url):
            return bool(system.exists(url)) and not _below(system, url)

    def delete(self, key: str) -> None:
        """See :meth:`ObjectStore.delete`."""
        with suppress(ObjectNotFoundError), self._request("delete", key) as found:
            system, url = found
            if system.exists(url):
                system.delete([url])

    def list(
        self, prefix: str = "", skip: Callable[[str], bool] | None = None
    ) -> Iterator[str]:
        """See :meth:`ObjectStore.list`."""
        folder = prefix.rpartition("/")[0]
        with self._request("list", folder) as (system, url):
            paths = sorted(_files(system, url.rstrip("/")))
        root = self.describe("")
        for path in paths:
            key = path.removeprefix(root)
            folders = [key[: at + 1] for at, c in enumerate(key) if c == "/"]
            if key.startswith(prefix) and not (skip and any(map(skip, folders))):
                yield key

    def open(self, key: str) -> BinaryIO:
        """See :meth:`ObjectStore.open`; reads ranges near what is read."""
        with self._request("open", key) as (system, url):
            return cast(BinaryIO, _BeamFile(system, url))


def _as_it_is() -> str:
    """Beam would unpack files by the ends of their names."""
    from apache_beam.io.filesystem import CompressionTypes

    return str(CompressionTypes.UNCOMPRESSED)


def _listed(system: Any, folder: str) -> list[Any]:
    """Metadata of what is listed below a folder."""
    from beam_scanner.beam_internals.file_systems import listed

    return [m for m in listed(system, folder) if m.path.startswith(f"{folder}/")]


def _below(system: Any, url: str) -> bool:
    """Whether there is something below a URL, which is a folder then."""
    if not system.has_dirs():
        return False
    try:
        return bool(_listed(system, url))
    except Exception:  # Some file systems list folders alone.
        return False


def _files(system: Any, folder: str) -> Iterator[str]:
    """Paths of all files below a folder.

    File systems with folders list either all that is below one, or what is in it, and
    do not tell folders from files.
    """
    found = {each.path.rstrip("/"): each for each in _listed(system, folder)}
    parents = {path.rpartition("/")[0] for path in found}
    for path, metadata in found.items():
        if path in parents or metadata.path.endswith("/"):
            continue
        if not system.has_dirs() or not _may_be_folder(metadata):
            yield path
            continue
        try:
            inside = list(_files(system, path))
        except Exception:  # As above.
            inside = []
        if inside or not metadata.size_in_bytes:
            yield from inside or [path]
        else:
            yield path


def _may_be_folder(metadata: Any) -> bool:
    name = metadata.path.rpartition("/")[2]
    return not metadata.size_in_bytes or "." not in name


class _Ranges:
    """Reads ranges of a file that must stay as it is.

    The size and the time of its last change are asked for after each fetch: a file
    that was replaced meanwhile is an error, where the file system tells these times.

    Args:
        system: The file system.
        url: The file.

    Attributes:
        size: Its bytes.
        changed: When it was changed last, in seconds; 0 if nobody knows.
    """

    def __init__(self, system: Any, url: str) -> None:
        self._system = system
        self._url = url
        self._file = system.open(url, compression_type=_as_it_is())
        if not self._file.seekable():
            self._file.close()
            raise StorageError(
                f"cannot read {url!r}: its file system reads files from their start "
                "alone, and videos are read from anywhere"
            )
        self.size, self.changed = self._stamp()

    def _stamp(self) -> tuple[int, float]:
        found = self._system.metadata(self._url)
        return int(found.size_in_bytes), float(found.last_updated_in_seconds or 0.0)

    def __call__(self, start: int, stop: int) -> bytes:
        try:
            self._file.seek(start)
            pieces = []
            while start < stop and (data := self._file.read(stop - start)):
                pieces.append(data)
                start += len(data)
            stamp = self._stamp()
        except Exception as error:
            raise StorageError(f"cannot read {self._url!r}: {error}") from error
        if stamp != (self.size, self.changed):
            raise StorageError(f"cannot read {self._url!r}: it was replaced meanwhile")
        return b"".join(pieces)

    def close(self) -> None:
        with suppress(Exception):
            self._file.close()


class _BeamFile(ObjectFile):
    """A file of one of Beam's file systems."""

    def __init__(self, system: Any, url: str) -> None:
        self._ranges = ranges = _Ranges(system, url)
        settled = ranges.changed and time.time() - ranges.changed > _SETTLED_SECONDS
        version = f"{ranges.size} {ranges.changed}" if settled else ""
        super().__init__(url, ranges.size, version, ranges)

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            self._ranges.close()
        super().close()
