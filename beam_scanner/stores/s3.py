"""Stores in buckets of S3, and of services that speak its protocol, by ``boto3``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from beam_scanner.errors import ArgumentError, ObjectNotFoundError, StorageError
from beam_scanner.stores.bucket_store import (
    NO_OBJECT,
    PAGE_KEYS,
    REPLACED,
    WRITER,
    BucketStore,
    Page,
    ReplacedError,
    Stat,
)
from beam_scanner.stores.content_types import content_type
from beam_scanner.stores.object_store import Data

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CONFLICT_TRIES = 8
_CONNECTIONS = 32

_VARIABLES = {"region": "AWS_DEFAULT_REGION", "endpoint": "AWS_ENDPOINT_URL_S3"}

# Endpoints, and the conditions that they were seen to respect.
_refusing: set[tuple[str, str]] = set()


def use_service(what: str, **given: str | None) -> None:
    """Has this process, and those that it starts, use a service that is named.

    Args:
        what: What names it, for errors.
        **given: ``region`` and ``endpoint``, a host or URL; None for those of the
            environment.

    Raises:
        ArgumentError: The environment names another one.
    """
    for key, value in given.items():
        if not value:
            continue
        if key == "endpoint" and "://" not in value:
            value = f"https://{value}"
        found = os.environ.setdefault(_VARIABLES[key], value)
        if found != value:
            raise ArgumentError(
                f"{what} has {key} {value!r}, but the environment variable "
                f"{_VARIABLES[key]} is {found!r}"
            )


def _client() -> Any:
    """The process's client, for the endpoint that the environment names now."""
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS)), "")
    # A forked process must not share its parent's connections.
    return _connected(os.getpid(), endpoint)


@lru_cache(maxsize=8)
def _connected(process: int, endpoint: str) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session = boto3.session.Session()
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


class S3Store(BucketStore):
    """See :class:`BucketStore`. Honours ``AWS_ENDPOINT_URL`` and the AWS configuration.

    A conditional put raises ``StorageError`` where a service ignores the condition and
    overwrites the object all the same.
    """

    _library = "boto3.exceptions", "boto3", "s3"

    def _reason(self, error: Exception, action: str) -> str | None:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        code = _code(error) if isinstance(error, ClientError) else ""
        if code == "NoSuchBucket":
            return f"there is no bucket {self._bucket!r}"
        if code in ("NoSuchKey", "404", "NotFound"):
            return NO_OBJECT
        if code in ("AccessDenied", "403", "Forbidden", "401"):
            return f"permission denied ({error})"
        if code in ("PreconditionFailed", "412"):
            return REPLACED
        if isinstance(error, NoCredentialsError):
            return f"no usable credentials ({error})"
        known = isinstance(error, ClientError | BotoCoreError | Boto3Error | OSError)
        return str(error) if known else None

    def stat(self, key: str) -> Stat:
        """See :meth:`BucketStore.stat`."""
        with self._request("read", key) as place:
            found = _client().head_object(Bucket=self._bucket, Key=place)
            writer = found["Metadata"].get(WRITER, "")
            return Stat(int(found["ContentLength"]), str(found["ETag"]), writer)

    def _read_range(
        self, key: str, start: int, stop: int | None, version: str
    ) -> bytes:
        how: dict[str, str] = {"IfMatch": version} if version else {}
        if start or stop is not None:
            how["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        return self._get(key, how)[0]

    def _contents(self, key: str) -> tuple[bytes, str]:
        return self._get(key, {})

    def _get(self, key: str, how: dict[str, str]) -> tuple[bytes, str]:
        """Bytes of an object, and its version."""
        with self._request("read", key) as place:
            from botocore.exceptions import ClientError

            try:
                found = _client().get_object(Bucket=self._bucket, Key=place, **how)
            except ClientError as error:
                if _code(error) in ("InvalidRange", "416"):
                    return b"", ""
                raise
            with found["Body"] as body:
                return body.read(), str(found["ETag"])

    def _send(
        self, key: str, data: Data, version: str | None = None, writer: str = ""
    ) -> None:
        how: dict[str, Any] = {"ContentType": content_type(key)}
        if writer:
            how["Metadata"] = {WRITER: writer}
        if version is not None:
            how |= {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        with self._request("write", key) as place:
            if isinstance(data, bytes):
                self._put_object(place, data, how)
            else:
                path = os.fspath(data)
                _client().upload_file(path, self._bucket, place, ExtraArgs=how)

    def _put_object(self, place: str, data: bytes, how: dict[str, Any]) -> None:
        from botocore.exceptions import ClientError

        for left in reversed(range(_CONFLICT_TRIES)):
            try:
                _client().put_object(Bucket=self._bucket, Key=place, Body=data, **how)
                return
            except ClientError as error:
                # Another writer is at the same key, and may yet fail.
                conflict = _code(error) in ("ConditionalRequestConflict", "409")
                if not conflict or not left:
                    raise
                time.sleep(0.05 * (_CONFLICT_TRIES - left))

    def _put_over(self, key: str, data: bytes, version: str) -> bool:
        won = super()._put_over(key, data, version)
        if won:
            self._check_refuses(key, data, version)
        return won

    def _check_refuses(self, key: str, data: bytes, version: str) -> None:
        """Checks once, for each service but Amazon's, that conditions are respected.

        A put of the same bytes leaves the version as it was, so that the condition
        still holds and proves nothing.
        """
        header = "If-Match" if version else "If-None-Match"
        client = _client()
        endpoint = client.meta.endpoint_url
        if (endpoint, header) in _refusing or _is_aws(client):
            return
        now = self.stat(key)
        if now.version == version:
            return
        try:
            self._send(key, data, version, now.writer)
        except (ReplacedError, ObjectNotFoundError):
            _refusing.add((endpoint, header))
            return
        raise StorageError(
            f"cannot write {self.describe(key)!r}: the service at {endpoint} ignores "
            f"{header!r}, without which two writers would spoil a database"
        )

    def _remove(self, key: str, version: str | None = None) -> None:
        with self._request("delete", key) as place:
            _client().delete_object(Bucket=self._bucket, Key=place)

    def _pages(self, prefix: str, after: str = "") -> Iterator[Page]:
        how: dict[str, Any] = {"StartAfter": after} if after else {}
        how["PaginationConfig"] = {"PageSize": PAGE_KEYS}
        with self._errors("list", prefix):
            pages = _client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, **how):
                found = page.get("Contents", ())
                keys = [(each["Key"], int(each["Size"])) for each in found]
                yield keys, bool(page.get("IsTruncated"))
