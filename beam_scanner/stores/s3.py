"""Buckets of S3, and of services that speak its protocol, by ``boto3``."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from beam_scanner.errors import (
    MissingDependencyError,
    ObjectNotFoundError,
    StorageError,
)
from beam_scanner.stores.bucket import PAGE_KEYS, Bucket, Stat
from beam_scanner.stores.content_types import content_type

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_WRITER = "beam-scanner-writer"
_CONFLICT_TRIES = 8
_CONNECTIONS = 32

_clients: dict[tuple[int, str], Any] = {}
_clients_lock = threading.Lock()
_refusing: set[tuple[str, str]] = set()


def _client() -> Any:
    """The process's client, for the endpoint that the environment names now."""
    import boto3

    endpoint = next(
        (os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), ""
    )
    # A forked process must not share its parent's connections.
    key = os.getpid(), endpoint
    with _clients_lock:
        if key not in _clients:
            _clients[key] = _connect(boto3.session.Session())
        return _clients[key]


def _connect(session: Any) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    client = session.client("s3", config=config)
    if _is_aws(client):
        return client
    # Few other services answer at a host name for each bucket.
    more: dict[str, Any] = {"s3": {"addressing_style": "path"}}
    if session.get_credentials() is None:
        more["signature_version"] = UNSIGNED
    region = None if session.region_name else "us-east-1"
    return session.client("s3", region_name=region, config=config.merge(Config(**more)))


def _is_aws(client: Any) -> bool:
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _code(error: Any) -> str:
    """The service's name of an error; a status where it gave no name."""
    return str(error.response.get("Error", {}).get("Code", ""))


class S3Bucket(Bucket):
    """See :class:`Bucket`. Honours ``AWS_ENDPOINT_URL`` and the AWS configuration."""

    scheme = "s3"

    @contextmanager
    def _errors(self, action: str, key: str) -> Iterator[None]:
        try:
            from boto3.exceptions import Boto3Error
        except ImportError as error:
            raise MissingDependencyError(
                f"{self.url} needs boto3: pip install 'beam-scanner[s3]'"
            ) from error
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
        )

        what = f"cannot {action} {self.url_of(key)!r}"
        try:
            yield
        except ClientError as error:
            raise self._translated(what, error) from error
        except NoCredentialsError as error:
            raise StorageError(f"{what}: no usable credentials ({error})") from error
        except (BotoCoreError, Boto3Error) as error:
            raise StorageError(f"{what}: {error}") from error
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(f"{what}: {error}") from error

    def _translated(self, what: str, error: Any) -> StorageError:
        code = _code(error)
        if code == "NoSuchBucket":
            return StorageError(f"{what}: there is no bucket {self.name!r}")
        if code in ("NoSuchKey", "404", "NotFound"):
            return ObjectNotFoundError(f"{what}: no such object")
        if code in ("AccessDenied", "403", "Forbidden", "401"):
            return StorageError(f"{what}: permission denied ({error})")
        if code in ("PreconditionFailed", "412"):
            return StorageError(f"{what}: it was replaced meanwhile")
        return StorageError(f"{what}: {error}")

    def stat(self, key: str) -> Stat:
        """See :meth:`Bucket.stat`."""
        with self._errors("read", key):
            found = _client().head_object(Bucket=self.name, Key=key)
            return Stat(int(found["ContentLength"]), str(found["ETag"]))

    def read(
        self, key: str, start: int = 0, stop: int | None = None, version: str = ""
    ) -> bytes:
        """See :meth:`Bucket.read`."""
        if stop is not None and stop <= start:
            self.stat(key)
            return b""
        how: dict[str, str] = {"IfMatch": version} if version else {}
        if start or stop is not None:
            how["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        with self._errors("read", key):
            from botocore.exceptions import ClientError

            try:
                found = _client().get_object(Bucket=self.name, Key=key, **how)
            except ClientError as error:
                if _code(error) in ("InvalidRange", "416"):
                    return b""
                raise
            with found["Body"] as body:
                data: bytes = body.read()
        return data

    def put(self, key: str, data: bytes | os.PathLike[str]) -> None:
        """See :meth:`Bucket.put`."""
        kind = content_type(key)
        with self._errors("write", key):
            if isinstance(data, bytes):
                _client().put_object(
                    Bucket=self.name, Key=key, Body=data, ContentType=kind
                )
            else:
                _client().upload_file(
                    os.fspath(data), self.name, key, ExtraArgs={"ContentType": kind}
                )

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See :meth:`Bucket.put_if_absent`.

        Raises:
            StorageError: The service overwrites objects although it is told not to.
        """
        with self._errors("write", key):
            return self._put_on(key, data, {"IfNoneMatch": "*"})

    def put_if(self, key: str, data: bytes, expected: bytes) -> bool:
        """See :meth:`Bucket.put_if`.

        Raises:
            StorageError: The service overwrites objects although it is told not to.
        """
        tag = self._tag(key, expected)
        with self._errors("write", key):
            if tag is None:
                return False
            return self._put_on(key, data, {"IfMatch": tag})

    def _tag(self, key: str, expected: bytes) -> str | None:
        """The tag of an object that holds these bytes."""
        with self._errors("read", key):
            from botocore.exceptions import ClientError

            try:
                found = _client().get_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404", "NotFound"):
                    return None
                raise
            with found["Body"] as body:
                data: bytes = body.read()
        return str(found["ETag"]) if data == expected else None

    def _put_on(self, key: str, data: bytes, condition: dict[str, str]) -> bool:
        token = uuid.uuid4().hex
        won = self._try_put(key, data, token, condition) or self._wrote(key, token)
        if won:
            self._check_refuses(key, data, token, condition)
        return won

    def _try_put(
        self, key: str, data: bytes, token: str, condition: dict[str, str]
    ) -> bool:
        from botocore.exceptions import ClientError

        for left in reversed(range(_CONFLICT_TRIES)):
            try:
                _client().put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=data,
                    ContentType=content_type(key),
                    Metadata={_WRITER: token},
                    **condition,
                )
                return True
            except ClientError as error:
                # None there: 'NoSuchKey', where one was to be.
                if _code(error) in ("PreconditionFailed", "412", "NoSuchKey", "404"):
                    return False
                # Another writer is at the same key, and may yet fail.
                if (
                    _code(error) not in ("ConditionalRequestConflict", "409")
                    or not left
                ):
                    raise
                time.sleep(0.05 * (_CONFLICT_TRIES - left))
        return False

    def _wrote(self, key: str, token: str) -> bool:
        """Whether a put that was refused had been carried out before.

        An upload whose answer was lost is tried again by the library, and then finds
        itself.
        """
        from botocore.exceptions import ClientError

        try:
            found = _client().head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "404", "NotFound"):
                return False
            raise
        return bool(found["Metadata"].get(_WRITER) == token)

    def _check_refuses(
        self, key: str, data: bytes, token: str, condition: dict[str, str]
    ) -> None:
        """Once for each service that is not Amazon's: does it mind the condition?

        After a put in place of the same bytes the condition still holds, which tells
        nothing.
        """
        (header,) = condition
        client = _client()
        endpoint = client.meta.endpoint_url
        if (endpoint, header) in _refusing or _is_aws(client):
            return
        if condition[header] == client.head_object(Bucket=self.name, Key=key)["ETag"]:
            return
        if self._try_put(key, data, token, condition):
            name = {"IfNoneMatch": "If-None-Match", "IfMatch": "If-Match"}[header]
            raise StorageError(
                f"cannot write {self.url_of(key)!r}: the service at {endpoint} ignores "
                f"{name!r}, without which two writers would spoil a database"
            )
        _refusing.add((endpoint, header))

    def delete(self, key: str) -> None:
        """See :meth:`Bucket.delete`."""
        with self._errors("delete", key):
            _client().delete_object(Bucket=self.name, Key=key)

    def delete_if(self, key: str, expected: bytes) -> bool:
        """See :meth:`Bucket.delete_if`; looks first, and then deletes."""
        if self._tag(key, expected) is None:
            return False
        self.delete(key)
        return True

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See :meth:`Bucket.sizes`."""
        with self._errors("list", prefix):
            pages = _client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.name, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"], int(found["Size"])

    def pages(self, prefix: str, after: str = "") -> Iterator[tuple[list[str], bool]]:
        """See :meth:`Bucket.pages`."""
        how: dict[str, Any] = {"StartAfter": after} if after else {}
        how["PaginationConfig"] = {"PageSize": PAGE_KEYS}
        with self._errors("list", prefix):
            pages = _client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.name, Prefix=prefix, **how):
                keys = [found["Key"] for found in page.get("Contents", ())]
                yield keys, bool(page.get("IsTruncated"))
