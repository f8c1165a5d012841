"""Databases in buckets of Google Cloud Storage and S3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from beam_scanner.stores.bucket import Bucket, check_key
from beam_scanner.stores.object_file import ObjectFile
from beam_scanner.stores.object_store import (
    SCRATCH,
    ObjectNotFoundError,
    ObjectStore,
    storage_errors,
)

# No key below a folder that anyone would choose lies behind this one.
_LAST = "\U0010ffff"


class BucketStore(ObjectStore):
    """A bucket, or a folder of one.

    Clients belong to the process, so the store pickles and several threads may use
    it. Nothing is asked of the service before the first use.

    Args:
        bucket: The bucket.
        folder: A key that all keys of the store lie below; '' for the whole bucket.

    Example:
        >>> from beam_scanner.stores.gcs import GcsBucket
        >>> BucketStore(GcsBucket('films'), 'db').describe('a/stream.json')
        'gs://films/db/a/stream.json'
    """

    def __init__(self, bucket: Bucket, folder: str = "") -> None:
        self._bucket = bucket
        self._root = f"{folder}/" if folder else ""
        self.url = self._bucket.url_of(folder).removesuffix("/")

    def __repr__(self) -> str:
        return f"BucketStore({self.url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketStore) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def _key(self, key: str) -> str:
        check_key(key)
        return self._root + key

    def put(self, key: str, data: bytes | os.PathLike[str]) -> None:
        """See :meth:`ObjectStore.put`; a file is sent and then removed."""
        place = self._key(key)
        if isinstance(data, bytes):
            self._bucket.put(place, data)
            return
        path = os.fspath(data)
        with storage_errors("read", path):
            os.stat(path)
        try:
            self._bucket.put(place, data)
        finally:
            with storage_errors("remove", path):
                os.unlink(path)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See :meth:`ObjectStore.put_if_absent`; the service decides."""
        return self._bucket.put_if_absent(self._key(key), data)

    def put_if(self, key: str, data: bytes, expected: bytes | None) -> bool:
        """See :meth:`ObjectStore.put_if`; the service decides."""
        if expected is None:
            return self.put_if_absent(key, data)
        return self._bucket.put_if(self._key(key), data, expected)

    def delete_if(self, key: str, expected: bytes) -> bool:
        """See :meth:`ObjectStore.delete_if`; S3 looks first, and then deletes."""
        return self._bucket.delete_if(self._key(key), expected)

    def sizes(self, prefix: str) -> dict[str, int]:
        """See :meth:`ObjectStore.sizes`; one listing."""
        found = self._bucket.sizes(self._root + prefix)
        return {key.removeprefix(self._root): size for key, size in found}

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See :meth:`ObjectStore.read`."""
        return self._bucket.read(self._key(key), start, stop)

    def size(self, key: str) -> int:
        """See :meth:`ObjectStore.size`."""
        return self._bucket.stat(self._key(key)).size

    def exists(self, key: str) -> bool:
        """See :meth:`ObjectStore.exists`."""
        try:
            self._bucket.stat(self._key(key))
        except ObjectNotFoundError:
            return False
        return True

    def list(
        self, prefix: str = "", skip: Callable[[str], bool] | None = None
    ) -> Iterator[str]:
        """See :meth:`ObjectStore.list`; a page at a time, over what is skipped."""
        skips = _Skips(prefix, skip)
        after: str | None = ""
        while after is not None:
            pages = self._bucket.pages(self._root + prefix, after)
            after = None
            for page, more in pages:
                left_out = ""
                for found in page:
                    key = found.removeprefix(self._root)
                    if not (left_out and key.startswith(left_out)):
                        left_out = skips(key)
                        # Programs make objects 'a/' to stand for folders.
                        if key and not left_out and not key.endswith("/"):
                            yield key
                behind = f"{self._root}{left_out}{_LAST}"
                if more and left_out and behind > page[-1]:
                    after = behind
                    break

    def delete(self, key: str) -> None:
        """See :meth:`ObjectStore.delete`."""
        self._bucket.delete(self._key(key))

    def open(self, key: str) -> BinaryIO:
        """See :meth:`ObjectStore.open`; fetches ranges near what is read."""
        return cast(BinaryIO, ObjectFile(self._bucket, self._key(key)))


class _Skips:
    """The folder of a key that a listing leaves out; '' for none."""

    def __init__(self, prefix: str, skip: Callable[[str], bool] | None) -> None:
        self._from = prefix.rfind("/") + 1
        self._skip = skip
        self._known: dict[str, bool] = {}

    def __call__(self, key: str) -> str:
        end = key.find("/", self._from)
        while end >= 0:
            folder = key[: end + 1]
            if folder not in self._known:
                # Keys come in order: what was known of other folders is of no use.
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
            end = key.find("/", end + 1)
        return ""
