"""Stores in buckets of Google Cloud Storage, by ``google-cloud-storage``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from beam_scanner.errors import (
    MissingDependencyError,
    ObjectNotFoundError,
    StorageError,
)
from beam_scanner.stores.bucket_store import (
    PAGE_KEYS,
    WRITER,
    BucketStore,
    Page,
    ReplacedError,
    Stat,
)
from beam_scanner.stores.content_types import content_type


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

    def _blob(self, key: str, version: str = "") -> Any:
        generation = int(version) if version else None
        return _client().bucket(self._bucket).blob(key, generation=generation)

    @contextmanager
    def _errors(self, action: str, key: str, version: str = "") -> Iterator[None]:
        """Turns the service's errors into ours; ``key``: in the bucket."""
        url = f"gs://{self._bucket}/{key}"
        try:
            import google.cloud.storage  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                f"{url} needs google-cloud-storage: pip install 'beam-scanner[gcp]'"
            ) from error
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        what = f"cannot {action} {url!r}"
        try:
            yield
        except exceptions.NotFound as error:
            # For an object that is read, the service says so in its message alone.
            if action in ("write", "list") or "bucket does not exist" in str(error):
                missing = f"there is no bucket {self._bucket!r}"
                raise StorageError(f"{what}: {missing}") from error
            if version:
                raise ReplacedError(f"{what}: it was replaced meanwhile") from error
            raise ObjectNotFoundError(f"{what}: no such object") from error
        except exceptions.PreconditionFailed as error:
            raise ReplacedError(f"{what}: it was replaced meanwhile") from error
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            raise StorageError(f"{what}: permission denied ({error})") from error
        except GoogleAuthError as error:
            raise StorageError(f"{what}: no usable credentials ({error})") from error
        except StorageError:
            raise
        except (exceptions.GoogleAPIError, OSError) as error:
            raise StorageError(f"{what}: {error}") from error

    def stat(self, key: str) -> Stat:
        """See :meth:`BucketStore.stat`."""
        place = self._key(key)
        with self._errors("read", place):
            blob = self._blob(place)
            blob.reload()
            writer = (blob.metadata or {}).get(WRITER, "")
            return Stat(int(blob.size), str(blob.generation), writer)

    def read_version(
        self, key: str, start: int = 0, stop: int | None = None, version: str = ""
    ) -> bytes:
        """See :meth:`BucketStore.read_version`."""
        if stop is not None and stop <= start:
            self.stat(key)
            return b""
        place = self._key(key)
        with self._errors("read", place, version):
            from google.api_core.exceptions import RequestRangeNotSatisfiable

            try:
                data: bytes = self._blob(place, version).download_as_bytes(
                    start=start or None, end=None if stop is None else stop - 1
                )
            except RequestRangeNotSatisfiable:
                return b""
        return data

    def _send(
        self,
        key: str,
        data: bytes | os.PathLike[str],
        version: str | None = None,
        writer: str = "",
    ) -> None:
        place = self._key(key)
        with self._errors("write", place):
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
        place = self._key(key)
        with self._errors("delete", place):
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
