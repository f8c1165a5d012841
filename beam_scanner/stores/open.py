"""Opening what lies at a path or URL: a store, an object of one, a file."""

from __future__ import annotations

import os
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from beam_scanner.errors import ArgumentError
from beam_scanner.stores.beam_store import BeamStore, check_scheme, is_beam_url
from beam_scanner.stores.gcs import GcsStore
from beam_scanner.stores.local_store import LocalStore
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.stores.object_urls import is_object_url, split_url
from beam_scanner.stores.regular_files import open_regular
from beam_scanner.stores.s3 import S3Store

_CONDITIONS = (
    "a database is written on conditions, which Beam's file systems do not know"
)
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
    why = f"{_CONDITIONS}; " if is_beam_url(text) else ""
    raise ArgumentError(
        f"cannot open a database at {text!r}: {why}expected a folder or a file://, "
        "gs:// or s3:// URL; for other stores pass an ObjectStore"
    )


def files_in(url: str) -> ObjectStore:
    """The store of the files of a folder, which need not be able to hold a database.

    Args:
        url: A folder's path or URL.

    Raises:
        ArgumentError: The URL has no bucket, or a scheme that Beam does not know.

    Examples:
        >>> files_in('hdfs://films/tv'), files_in('gs://films/tv')
        (BeamStore('hdfs://films/tv'), GcsStore('gs://films/tv'))
    """
    if not is_beam_url(url):
        return open_store(url)
    check_scheme(url)
    return BeamStore(url)


def locate(path: str) -> tuple[ObjectStore, str]:
    """The store that a file or an object lies in, and its key there.

    Args:
        path: A path, or a URL: ``gs://``, ``s3://``, or of any file system that Beam
            knows.

    Raises:
        ArgumentError: The URL does not name an object, or has a scheme that Beam does
            not know.

    Examples:
        >>> locate('/data/films/a.mp4'), locate('gs://films/tv/a.mp4')
        ((LocalStore('/data/films'), 'a.mp4'), (GcsStore('gs://films'), 'tv/a.mp4'))
    """
    if is_beam_url(path):
        folder, _, name = path.rpartition("/")
        check_scheme(path)
        return BeamStore(f"{folder}/"), name
    if not is_object_url(path):
        folder, name = os.path.split(os.path.abspath(path))
        return LocalStore(folder), name
    scheme, bucket, key = split_url(path)
    return _SERVICES[scheme](f"{scheme}://{bucket}"), key


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a file or an object for reading, in any order.

    Args:
        path: As for :func:`locate`.

    Raises:
        OSError: It cannot be opened. Of an object: a ``StorageError``.
        ArgumentError: The URL does not name an object.
        MissingDependencyError: The library for this service is not installed.
    """
    if not is_remote(path):
        return open_regular(path)
    store, key = locate(os.fspath(path))
    return store.open(key)


def is_remote(path: object) -> bool:
    """Whether a path is the URL of something that is not a file of this machine.

    Examples:
        >>> is_remote('gs://films/a.mp4'), is_remote('hdfs://films/a.mp4')
        (True, True)
        >>> is_remote('films/a.mp4'), is_remote('file:///films/a.mp4')
        (False, False)
    """
    return is_object_url(path) or is_beam_url(path)
