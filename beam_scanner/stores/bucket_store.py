"""Stores in buckets of object storage services.

A service says how objects are sent, read, removed and listed; all that a database
needs beyond that is here, the same for each of them.
"""

from __future__ import annotations

import os
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import BinaryIO, ClassVar, NamedTuple, cast

from beam_scanner.errors import MissingDependencyError, StorageError
from beam_scanner.stores.object_file import ObjectFile
from beam_scanner.stores.object_store import (
    SCRATCH,
    Data,
    ObjectNotFoundError,
    ObjectStore,
    storage_errors,
)
from beam_scanner.stores.object_urls import check_key, folders_of, split_url
from beam_scanner.text.pip_install import pip_install

PAGE_KEYS = 1000
"""How many keys a listing is asked for at a time."""

WRITER = "beam-scanner-writer"
"""Metadata of an object that was put on a condition: by which call."""

# Comes after all keys that are likely below a folder, in order of code points.
_LAST = "\U0010ffff"

Page = tuple[list[tuple[str, int]], bool]
"""Keys of the bucket with the sizes of their objects, and whether there are more."""


class Stat(NamedTuple):
    """The metadata of an object.

    Attributes:
        size: Bytes.
        version: Differs from that of any other content the key ever had.
        writer: See :data:`WRITER`; '' if it was put without a condition.
    """

    size: int
    version: str
    writer: str = ""


class ReplacedError(StorageError):
    """An object is not, or no longer, of the version that was asked for."""


NO_OBJECT, REPLACED = "no such object", "it was replaced meanwhile"
_ERRORS = {NO_OBJECT: ObjectNotFoundError, REPLACED: ReplacedError}


class BucketStore(ObjectStore):
    """A bucket, or a folder of one.

    Clients belong to the process, so a store pickles and several threads may use it.
    Nothing is asked of the service before the first use. Transient errors are tried
    again as the service's own library does; what remains is a
    :class:`~beam_scanner.errors.StorageError` that names the object's URL.

    Args:
        url: As in ``gs://bucket/prefix`` or ``s3://bucket/prefix``. What follows the
            bucket is taken as it is, not percent-decoded.

    Raises:
        ArgumentError: The URL is not of that form.

    Examples:
        >>> from beam_scanner.stores.gcs import GcsStore
        >>> GcsStore('gs://films/db/').describe('a/stream.json')
        'gs://films/db/a/stream.json'
    """

    # The module that must be there, its package, and the extra that installs it.
    _library: ClassVar[tuple[str, str, str]]

    def __init__(self, url: str) -> None:
        self._scheme, self._bucket, folder = split_url(url)
        self._root = f"{folder}/" if folder else ""
        self.url = f"{self._scheme}://{self._bucket}/{folder}".removesuffix("/")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketStore) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    @contextmanager
    def _request(self, action: str, key: str, version: str = "") -> Iterator[str]:
        """Yields the key in the bucket; see :meth:`_errors`."""
        check_key(key)
        place = self._root + key
        with self._errors(action, place, version):
            yield place

    @contextmanager
    def _errors(self, action: str, place: str, version: str = "") -> Iterator[None]:
        """Turns the service's errors into ours.

        Args:
            action: What was tried, as in "cannot <action> '<url>'".
            place: The key in the bucket.
            version: The version that was asked for; '' for any.
        """
        url = f"{self._scheme}://{self._bucket}/{place}"
        module, package, extra = self._library
        try:
            import_module(module)
        except ImportError as error:
            raise MissingDependencyError(
                f"{url} needs {package}: {pip_install(extra)}"
            ) from error
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            reason = self._reason(error, action)
            if reason is None:
                raise
            kind = _ERRORS.get(reason, StorageError)
            if version and reason == NO_OBJECT:
                reason, kind = REPLACED, ReplacedError
            raise kind(f"cannot {action} {url!r}: {reason}") from error

    @abstractmethod
    def _reason(self, error: Exception, action: str) -> str | None:
        """Why a request failed, for people; None for errors of another origin.

        :data:`NO_OBJECT` and :data:`REPLACED` have exceptions of their own.
        """

    @abstractmethod
    def stat(self, key: str) -> Stat:
        """Size and version of an object.

        Raises:
            ObjectNotFoundError: It does not exist.
        """

    def read_version(
        self, key: str, start: int = 0, stop: int | None = None, version: str = ""
    ) -> bytes:
        """The bytes ``[start, stop)`` of an object, cut short at its end.

        Args:
            key: Which object.
            start: The first byte.
            stop: The byte after the last; None for the object's end.
            version: The version that is to be read; any if ''.

        Raises:
            ObjectNotFoundError: It does not exist.
            ReplacedError: It has another version by now.
        """
        if stop is not None and stop <= start:
            self.stat(key)
            return b""
        return self._read_range(key, start, stop, version)

    @abstractmethod
    def _read_range(
        self, key: str, start: int, stop: int | None, version: str
    ) -> bytes:
        """As :meth:`read_version`, of a range that is not empty."""

    @abstractmethod
    def _send(
        self, key: str, data: Data, version: str | None = None, writer: str = ""
    ) -> None:
        """Stores bytes, or a copy of a local file.

        Args:
            key: Where.
            data: The bytes, or the file's path.
            version: What it must take the place of: '' for nothing, None for whatever
                is there.
            writer: See :data:`WRITER`.

        Raises:
            ReplacedError: Another version is there.
            ObjectNotFoundError: None is there, but one should be.
        """

    @abstractmethod
    def _remove(self, key: str, version: str | None = None) -> None:
        """Removes an object, if it has this version, where the service can tell.

        Raises:
            ReplacedError: It has another version.
            ObjectNotFoundError: It does not exist; not every service says so.
        """

    @abstractmethod
    def _pages(self, prefix: str, after: str = "") -> Iterator[Page]:
        """Lists the bucket in lexicographic order of its keys.

        Args:
            prefix: What keys of the bucket begin with.
            after: Only keys after this one.
        """

    def put(self, key: str, data: Data) -> None:
        """See :meth:`ObjectStore.put`; a file is sent and then removed."""
        if isinstance(data, bytes):
            self._send(key, data)
            return
        path = os.fspath(data)
        with storage_errors("read", path):
            os.stat(path)
        try:
            self._send(key, data)
        finally:
            with storage_errors("remove", path):
                os.unlink(path)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See :meth:`ObjectStore.put_if_absent`; the service decides."""
        return self._put_over(key, data, "")

    def put_if(self, key: str, data: bytes, expected: bytes | None) -> bool:
        """See :meth:`ObjectStore.put_if`; the service decides."""
        version = "" if expected is None else self._version_of(key, expected)
        return version is not None and self._put_over(key, data, version)

    def _put_over(self, key: str, data: bytes, version: str) -> bool:
        """Stores bytes in place of a version, '' for none."""
        writer = uuid.uuid4().hex
        try:
            self._send(key, data, version, writer)
            return True
        except (ReplacedError, ObjectNotFoundError):
            # An upload whose answer was lost is tried again by the service's library,
            # and then is refused because it finds itself.
            with suppress(ObjectNotFoundError):
                return self.stat(key).writer == writer
        return False

    def _version_of(self, key: str, expected: bytes) -> str | None:
        """The version of an object that holds these bytes; None if it does not."""
        try:
            data, version = self._contents(key)
        except (ReplacedError, ObjectNotFoundError):
            return None
        return version if data == expected else None

    def _contents(self, key: str) -> tuple[bytes, str]:
        """All bytes of an object, and its version."""
        version = self.stat(key).version
        return self.read_version(key, version=version), version

    def delete(self, key: str) -> None:
        """See :meth:`ObjectStore.delete`."""
        with suppress(ObjectNotFoundError):
            self._remove(key)

    def delete_if(self, key: str, expected: bytes) -> bool:
        """See :meth:`ObjectStore.delete_if`; S3 looks first, and then deletes."""
        version = self._version_of(key, expected)
        if version is None:
            return False
        try:
            self._remove(key, version)
        except (ReplacedError, ObjectNotFoundError):
            return False
        return True

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See :meth:`ObjectStore.read`."""
        return self.read_version(key, start, stop)

    def size(self, key: str) -> int:
        """See :meth:`ObjectStore.size`."""
        return self.stat(key).size

    def exists(self, key: str) -> bool:
        """See :meth:`ObjectStore.exists`."""
        try:
            self.stat(key)
        except ObjectNotFoundError:
            return False
        return True

    def open(self, key: str) -> BinaryIO:
        """See :meth:`ObjectStore.open`; fetches ranges near what is read."""
        found = self.stat(key)
        fetch = partial(self.read_version, key, version=found.version)
        name = self.describe(key)
        return cast(BinaryIO, ObjectFile(name, found.size, found.version, fetch))

    def sizes(self, prefix: str) -> dict[str, int]:
        """See :meth:`ObjectStore.sizes`; one listing."""
        return {
            key.removeprefix(self._root): size
            for page, _ in self._pages(self._root + prefix)
            for key, size in page
        }

    def list(
        self, prefix: str = "", skip: Callable[[str], bool] | None = None
    ) -> Iterator[str]:
        """See :meth:`ObjectStore.list`; pages of skipped folders are not fetched."""
        skips = _Skips(prefix, skip)
        after: str | None = ""
        while after is not None:
            pages = self._pages(self._root + prefix, after)
            after = None
            for page, more in pages:
                left_out = ""
                for found, _ in page:
                    key = found.removeprefix(self._root)
                    if not (left_out and key.startswith(left_out)):
                        left_out = skips(key)
                        # Programs make objects 'a/' to stand for folders.
                        if key and not left_out and not key.endswith("/"):
                            yield key
                # Starting behind a folder saves the pages that list what is in it.
                behind = f"{self._root}{left_out}{_LAST}"
                if more and left_out and behind > page[-1][0]:
                    after = behind
                    break


class _Skips:
    """The folder of a key that a listing leaves out; '' for none."""

    def __init__(self, prefix: str, skip: Callable[[str], bool] | None) -> None:
        self._from = prefix.rfind("/") + 1
        self._skip = skip
        self._known: dict[str, bool] = {}

    def __call__(self, key: str) -> str:
        for folder in folders_of(key):
            if len(folder) <= self._from:
                continue
            if folder not in self._known:
                # Keys come in order, so answers about other folders are of no more use.
                self._known = {
                    above: kept
                    for above, kept in self._known.items()
                    if folder.startswith(above)
                }
                self._known[folder] = folder == SCRATCH or (
                    self._skip is not None and self._skip(folder)
                )
            if self._known[folder]:
                return folder
        return ""
