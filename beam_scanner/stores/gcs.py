"""Buckets of Google Cloud Storage, by ``google-cloud-storage``."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from beam_scanner.errors import (
    MissingDependencyError,
    ObjectNotFoundError,
    StorageError,
)
from beam_scanner.stores.bucket import PAGE_KEYS, Bucket, Stat
from beam_scanner.stores.content_types import content_type

_EMULATOR = "STORAGE_EMULATOR_HOST"
_WRITER = "beam-scanner-writer"

_clients: dict[tuple[int, str], Any] = {}
_clients_lock = threading.Lock()


def _client() -> Any:
    """The process's client, for the endpoint that the environment names now.

    With an emulator it is anonymous, else it has the default credentials.
    """
    from google.cloud import storage

    # A forked process must not share its parent's connections.
    key = os.getpid(), os.environ.get(_EMULATOR, "")
    with _clients_lock:
        if key not in _clients:
            _clients[key] = storage.Client(project=None)
        return _clients[key]


class GcsBucket(Bucket):
    """See :class:`Bucket`. Honours ``STORAGE_EMULATOR_HOST``."""

    scheme = "gs"

    def _blob(self, key: str, generation: int | None = None) -> Any:
        return _client().bucket(self.name).blob(key, generation=generation)

    @contextmanager
    def _errors(self, action: str, key: str) -> Iterator[None]:
        try:
            import google.cloud.storage  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                f"{self.url} needs google-cloud-storage: pip install 'beam-scanner[gcp]'"
            ) from error
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        what = f"cannot {action} {self.url_of(key)!r}"
        try:
            yield
        except exceptions.NotFound as error:
            # For an object that is read, the service says so in its message alone.
            if action in ("write", "list") or "bucket does not exist" in str(error):
                raise StorageError(
                    f"{what}: there is no bucket {self.name!r}"
                ) from error
            raise ObjectNotFoundError(f"{what}: no such object") from error
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            raise StorageError(f"{what}: permission denied ({error})") from error
        except GoogleAuthError as error:
            raise StorageError(f"{what}: no usable credentials ({error})") from error
        except exceptions.GoogleAPIError as error:
            raise StorageError(f"{what}: {error}") from error
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(f"{what}: {error}") from error

    def stat(self, key: str) -> Stat:
        """See :meth:`Bucket.stat`."""
        with self._errors("read", key):
            blob = self._blob(key)
            blob.reload()
            return Stat(int(blob.size), str(blob.generation))

    def read(
        self, key: str, start: int = 0, stop: int | None = None, version: str = ""
    ) -> bytes:
        """See :meth:`Bucket.read`."""
        if stop is not None and stop <= start:
            self.stat(key)
            return b""
        with self._errors("read", key):
            from google.api_core.exceptions import (
                NotFound,
                RequestRangeNotSatisfiable,
            )

            blob = self._blob(key, int(version) if version else None)
            try:
                data: bytes = blob.download_as_bytes(
                    start=start or None, end=None if stop is None else stop - 1
                )
            except RequestRangeNotSatisfiable:
                return b""
            except NotFound as error:
                if not version:
                    raise
                raise StorageError(
                    f"cannot read {self.url_of(key)!r}: it was replaced meanwhile"
                ) from error
        return data

    def put(self, key: str, data: bytes | os.PathLike[str]) -> None:
        """See :meth:`Bucket.put`."""
        with self._errors("write", key):
            self._upload(self._blob(key), key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See :meth:`Bucket.put_if_absent`."""
        return self._put_over(key, data, 0)

    def put_if(self, key: str, data: bytes, expected: bytes) -> bool:
        """See :meth:`Bucket.put_if`."""
        generation = self._generation(key, expected)
        return generation is not None and self._put_over(key, data, generation)

    def _put_over(self, key: str, data: bytes, generation: int) -> bool:
        """Stores bytes in place of a generation, 0 for none."""
        token = uuid.uuid4().hex
        with self._errors("write", key):
            from google.api_core.exceptions import NotFound, PreconditionFailed

            blob = self._blob(key)
            blob.metadata = {_WRITER: token}
            try:
                self._upload(blob, key, data, if_generation_match=generation)
                return True
            except PreconditionFailed:
                # An upload whose answer was lost is tried again by the library, and
                # then finds itself.
                found = self._blob(key)
                try:
                    found.reload()
                except NotFound:
                    return False
                return bool((found.metadata or {}).get(_WRITER) == token)

    def _generation(self, key: str, expected: bytes) -> int | None:
        """The generation of an object that holds these bytes."""
        with self._errors("read", key):
            from google.api_core.exceptions import NotFound

            blob = self._blob(key)
            try:
                blob.reload()
                generation = int(blob.generation)
                data = self._blob(key, generation).download_as_bytes()
            except NotFound:
                return None
        return generation if data == expected else None

    def _upload(
        self, blob: Any, key: str, data: bytes | os.PathLike[str], **condition: Any
    ) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        # Putting the same content once more does no harm.
        how = {"content_type": content_type(key), "retry": DEFAULT_RETRY, **condition}
        if isinstance(data, bytes):
            blob.upload_from_string(data, **how)
        else:
            blob.upload_from_filename(os.fspath(data), **how)

    def delete(self, key: str) -> None:
        """See :meth:`Bucket.delete`."""
        with self._errors("delete", key):
            from google.api_core.exceptions import NotFound
            from google.cloud.storage.retry import DEFAULT_RETRY

            try:
                self._blob(key).delete(retry=DEFAULT_RETRY)
            except NotFound:
                return

    def delete_if(self, key: str, expected: bytes) -> bool:
        """See :meth:`Bucket.delete_if`."""
        generation = self._generation(key, expected)
        if generation is None:
            return False
        with self._errors("delete", key):
            from google.api_core.exceptions import NotFound, PreconditionFailed
            from google.cloud.storage.retry import DEFAULT_RETRY

            try:
                self._blob(key).delete(
                    retry=DEFAULT_RETRY, if_generation_match=generation
                )
            except (NotFound, PreconditionFailed):
                return False
        return True

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See :meth:`Bucket.sizes`."""
        with self._errors("list", prefix):
            found = _client().list_blobs(
                self.name,
                prefix=prefix or None,
                fields="items(name,size),nextPageToken",
                page_size=PAGE_KEYS,
            )
            for blob in found:
                yield blob.name, int(blob.size)

    def pages(self, prefix: str, after: str = "") -> Iterator[tuple[list[str], bool]]:
        """See :meth:`Bucket.pages`."""
        with self._errors("list", prefix):
            found = _client().list_blobs(
                self.name,
                prefix=prefix or None,
                # This one is included, and nothing lies between.
                start_offset=f"{after}\0" if after else None,
                fields="items(name),nextPageToken",
                page_size=PAGE_KEYS,
            )
            for page in found.pages:
                keys = [blob.name for blob in page]
                yield keys, found.next_page_token is not None
