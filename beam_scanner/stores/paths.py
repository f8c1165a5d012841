"""Files by path or URL: of this machine, of a mounted file system, of an object store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from beam_scanner.errors import ArgumentError
from beam_scanner.stores.bucket import is_object_url, split_url
from beam_scanner.stores.object_store import ObjectNotFoundError, storage_errors
from beam_scanner.stores.open import open_bucket, open_object
from beam_scanner.stores.regular_files import open_regular

_AT_ONCE = 8
"""Requests to an object store that wait side by side."""

T = TypeVar("T")


def absolute(path: Any, what: str) -> str:
    """A file's absolute path, so that workers in other folders find it, or its URL.

    Args:
        path: A path, or a ``file://``, ``gs://`` or ``s3://`` URL.
        what: What it is the path of, for errors.

    Raises:
        ArgumentError: It is neither.

    Example:
        >>> absolute('/data/../a.srt', 'path'), absolute('gs://films/a.srt', 'path')
        ('/a.srt', 'gs://films/a.srt')
    """
    try:
        text = os.fspath(path)
    except TypeError:
        text = b""
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"{what} must be the path of a file, got {path!r}")
    if "://" not in text:
        return os.path.abspath(text)
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return unquote(parts.path)
    if not is_object_url(text) or not split_url(text)[2]:
        raise ArgumentError(
            f"{what} must be a path or a file://, gs:// or s3:// URL of a file, got "
            f"{text!r}"
        )
    return text


def is_file(path: str) -> bool:
    """Whether there is such a file.

    Raises:
        StorageError: An object store does not tell.
    """
    if not is_object_url(path):
        return os.path.isfile(path)
    bucket, key = open_bucket(path)
    try:
        bucket.stat(key)
    except ObjectNotFoundError:
        return False
    return True


def open_file(path: str) -> BinaryIO:
    """Opens a file for reading, in any order.

    Raises:
        StorageError: It is missing, or cannot be read.
    """
    if is_object_url(path):
        return open_object(path)
    with storage_errors("read", path):
        return open_regular(path)


def read_file(path: str) -> bytes:
    """All that a file holds.

    Raises:
        StorageError: It is missing, or cannot be read.
    """
    if is_object_url(path):
        bucket, key = open_bucket(path)
        return bucket.read(key)
    with storage_errors("read", path), open_regular(path) as file:
        return file.read()


def write_file(path: str, data: bytes) -> None:
    """Writes a file, and makes its folder. What others see of it meanwhile is open.

    Raises:
        StorageError: It cannot be written.
    """
    if is_object_url(path):
        bucket, key = open_bucket(path)
        bucket.put(key, data)
        return
    with storage_errors("write", path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def move_file(source: str, target: str) -> None:
    """Puts a file, if it is there, in place of another one next to it, at once.

    An object is copied and then deleted; done again after it was cut short, this
    comes to the same end.

    Raises:
        StorageError: It cannot be written.
    """
    if not is_object_url(source):
        with storage_errors("write", target), suppress(FileNotFoundError):
            os.replace(source, target)
        return
    with suppress(ObjectNotFoundError):
        write_file(target, read_file(source))
        delete_file(source)


def delete_file(path: str) -> None:
    """Removes a file, if it is there.

    Raises:
        StorageError: It cannot be removed.
    """
    if is_object_url(path):
        bucket, key = open_bucket(path)
        bucket.delete(key)
        return
    with storage_errors("delete", path), suppress(FileNotFoundError):
        os.unlink(path)


def hidden_files(folder: str) -> Iterator[str]:
    """Paths of the files of a folder whose names begin with a dot."""
    if is_object_url(folder):
        bucket, key = open_bucket(folder)
        prefix = f"{key}/." if key else "."
        keys = [found for page, _ in bucket.pages(prefix) for found in page]
        yield from (bucket.url_of(k) for k in keys if "/" not in k[len(prefix) :])
        return
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from (entry.path for entry in entries if entry.name.startswith("."))


def each(
    function: Callable[..., T], paths: Sequence[str], *more: Sequence[Any]
) -> list[T]:
    """Results of a function for each path, with what comes with it; objects side by side.

    Raises:
        Exception: The first that the function raises.
    """
    if not any(map(is_object_url, paths)):
        return list(map(function, paths, *more))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, paths, *more))
