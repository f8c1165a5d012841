"""Opening what lies at a URL: a bucket, an object, or the store of a database."""

from __future__ import annotations

import os
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from beam_scanner.errors import ArgumentError
from beam_scanner.stores.bucket import Bucket, is_object_url, split_url
from beam_scanner.stores.bucket_store import BucketStore
from beam_scanner.stores.gcs import GcsBucket
from beam_scanner.stores.object_file import ObjectFile
from beam_scanner.stores.object_store import LocalStore, ObjectStore
from beam_scanner.stores.s3 import S3Bucket


def open_bucket(url: str) -> tuple[Bucket, str]:
    """The bucket of a URL, and the key in it.

    No connection is made yet.

    Raises:
        ArgumentError: See :func:`~beam_scanner.stores.bucket.split_url`.
        MissingDependencyError: The library for this service is not installed.

    Example:
        >>> open_bucket('s3://films/tv/a.mp4')
        (S3Bucket('films'), 'tv/a.mp4')
    """
    scheme, name, key = split_url(url)
    bucket = GcsBucket if scheme == "gs" else S3Bucket
    return bucket(name), key


def open_object(url: str) -> BinaryIO:
    """Opens the object at a URL for reading; see :class:`ObjectFile`.

    Raises:
        ArgumentError: It is no URL of an object.
        ObjectNotFoundError: There is no such object.
        StorageError: It cannot be read.
        MissingDependencyError: The library for this service is not installed.
    """
    bucket, key = open_bucket(url)
    return cast(BinaryIO, ObjectFile(bucket, key))


def open_store(url: str | os.PathLike[str]) -> ObjectStore:
    """Opens the store at a path or URL.

    Args:
        url: A folder's path (``~`` is the home folder), or a ``file://``, ``gs://`` or
            ``s3://`` URL.

    Raises:
        ArgumentError: The URL has another scheme, or no bucket.

    Example:
        >>> open_store('file:///data/my%20db')
        LocalStore('/data/my db')
        >>> open_store('gs://bucket/my db')
        BucketStore('gs://bucket/my db')
    """
    text = os.fspath(url) if isinstance(url, str | os.PathLike) else ""
    if "://" not in text:
        if not text:
            raise ArgumentError(f"expected a folder for the database, got {url!r}")
        return LocalStore(os.path.expanduser(text))
    if is_object_url(text):
        return BucketStore(*open_bucket(text))
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return LocalStore(unquote(parts.path))
    raise ArgumentError(
        f"cannot open a database at {text!r}: expected a folder or a file://, gs:// or "
        "s3:// URL; for other stores pass an ObjectStore"
    )
