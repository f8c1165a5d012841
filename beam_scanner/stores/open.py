"""Opening what lies at a path or URL: a store, an object of one, a file."""

from __future__ import annotations

import os
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from beam_scanner.errors import ArgumentError
from beam_scanner.stores.gcs import GcsStore
from beam_scanner.stores.local_store import LocalStore
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.stores.object_urls import is_object_url, split_url
from beam_scanner.stores.regular_files import open_regular
from beam_scanner.stores.s3 import S3Store

_SERVICES = {"gs": GcsStore, "s3": S3Store}


def open_store(url: str | os.PathLike[str]) -> ObjectStore:
    """Opens the store at a path or URL.

    Args:
        url: A folder's path (``~`` is the home folder), or a ``file://``, ``gs://`` or
            ``s3://`` URL.

    Raises:
        ArgumentError: The URL has another scheme, or no bucket.

    Examples:
        >>> open_store('file:///data/my%20db')
        LocalStore('/data/my db')
        >>> open_store('gs://bucket/my db')
        GcsStore('gs://bucket/my db')
    """
    text = os.fspath(url) if isinstance(url, str | os.PathLike) else ""
    if "://" not in text:
        if not text:
            raise ArgumentError(f"expected a folder for the database, got {url!r}")
        return LocalStore(os.path.expanduser(text))
    if is_object_url(text):
        return _SERVICES[split_url(text)[0]](text)
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return LocalStore(unquote(parts.path))
    raise ArgumentError(
        f"cannot open a database at {text!r}: expected a folder or a file://, gs:// or "
        "s3:// URL; for other stores pass an ObjectStore"
    )


def locate(path: str) -> tuple[ObjectStore, str]:
    """The store that a file or an object lies in, and its key there.

    Args:
        path: A path, or a ``gs://`` or ``s3://`` URL.

    Raises:
        ArgumentError: The URL does not name an object.

    Examples:
        >>> locate('/data/films/a.mp4'), locate('gs://films/tv/a.mp4')
        ((LocalStore('/data/films'), 'a.mp4'), (GcsStore('gs://films'), 'tv/a.mp4'))
    """
    if not is_object_url(path):
        folder, name = os.path.split(os.path.abspath(path))
        return LocalStore(folder), name
    scheme, bucket, key = split_url(path)
    return _SERVICES[scheme](f"{scheme}://{bucket}"), key


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a file or an object for reading, in any order.

    Args:
        path: A path, or a ``gs://`` or ``s3://`` URL.

    Raises:
        OSError: It cannot be opened. Of an object: a ``StorageError``.
        ArgumentError: The URL does not name an object.
        MissingDependencyError: The library for this service is not installed.
    """
    if not is_object_url(path):
        return open_regular(path)
    store, key = locate(os.fspath(path))
    return store.open(key)
