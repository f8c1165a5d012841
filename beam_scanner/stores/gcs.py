"""Stores in buckets of Google Cloud Storage, by ``google-cloud-storage``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from beam_scanner.stores.bucket_store import (
    NO_OBJECT,
    PAGE_KEYS,
    REPLACED,
    WRITER,
    BucketStore,
    Page,
    Stat,
)
from beam_scanner.stores.content_types import content_type
from beam_scanner.stores.object_store import Data


def _client() -> Any:
    """The process's client, for the endpoint that the environment names now.

    With an emulator it is anonymous, else it has the default credentials.
    """
    # A forked process must not share its parent's connections.
    return _connected(os.getpid(), os.environ.get("STORAGE_EMULATOR_HOST", ""))


@lru_cache(maxsize=8)
def _connected(process: int, endpoint: str) -> Any:
    from google.cloud import storage

    return storage.Client(project=None)


class GcsStore(BucketStore):
    """See :class:`BucketStore`. Honours ``STORAGE_EMULATOR_HOST``."""

    _library = "google.cloud.storage", "google-cloud-storage", "gcp"

    def _blob(self, key: str, version: str = "") -> Any:
        generation = int(version) if version else None
        return _client().bucket(self._bucket).blob(key, generation=generation)

    def _reason(self, error: Exception, action: str) -> str | None:
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        if isinstance(error, exceptions.NotFound):
            # For an object that is read, only the message says that it is the bucket.
            if action in ("write", "list") or "bucket does not exist" in str(error):
                return f"there is no bucket {self._bucket!r}"
            return NO_OBJECT
        if isinstance(error, exceptions.PreconditionFailed):
            return REPLACED
        if isinstance(error, exceptions.Forbidden | exceptions.Unauthorized):
            return f"permission denied ({error})"
        if isinstance(error, GoogleAuthError):
            return f"no usable credentials ({error})"
        known = isinstance(error, exceptions.GoogleAPIError | OSError)
        return str(error) if known else None

    def stat(self, key: str) -> Stat:
        """See :meth:`BucketStore.stat`."""
        with self._request("read", key) as place:
            blob = self._blob(place)
            blob.reload()
            writer = (blob.metadata or {}).get(WRITER, "")
            return Stat(int(blob.size), str(blob.generation), writer)

    def _read_range(
        self, key: str, start: int, stop: int | None, version: str
    ) -> bytes:
        with self._request("read", key, version) as place:
            from google.api_core.exceptions import RequestRangeNotSatisfiable

            try:
                data: bytes = self._blob(place, version).download_as_bytes(
                    start=start or None, end=None if stop is None else stop - 1
                )
            except RequestRangeNotSatisfiable:
                return b""
        return data

    def _send(
        self, key: str, data: Data, version: str | None = None, writer: str = ""
    ) -> None:
        with self._request("write", key) as place:
            from google.cloud.storage.retry import DEFAULT_RETRY

            blob = self._blob(place)
            if writer:
                blob.metadata = {WRITER: writer}
            # Putting the same content once more does no harm.
            how: dict[str, Any] = {"retry": DEFAULT_RETRY}
            how["content_type"] = content_type(key)
            if version is not None:
                how["if_generation_match"] = int(version or 0)
            if isinstance(data, bytes):
                blob.upload_from_string(data, **how)
            else:
                blob.upload_from_filename(os.fspath(data), **how)

    def _remove(self, key: str, version: str | None = None) -> None:
        with self._request("delete", key) as place:
            from google.cloud.storage.retry import DEFAULT_RETRY

            match = None if version is None else int(version)
            self._blob(place).delete(retry=DEFAULT_RETRY, if_generation_match=match)

    def _pages(self, prefix: str, after: str = "") -> Iterator[Page]:
        with self._errors("list", prefix):
            found = _client().list_blobs(
                self._bucket,
                prefix=prefix or None,
                # This one is included, and nothing lies between.
                start_offset=f"{after}\0" if after else None,
                fields="items(name,size),nextPageToken",
                page_size=PAGE_KEYS,
            )
            for page in found.pages:
                keys = [(blob.name, int(blob.size)) for blob in page]
                yield keys, found.next_page_token is not None
