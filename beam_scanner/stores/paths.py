"""Files by path or URL: of this machine, of a mounted file system, of an object store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from beam_scanner.errors import ArgumentError
from beam_scanner.stores.beam_store import check_scheme, is_beam_url
from beam_scanner.stores.object_store import ObjectNotFoundError, storage_errors
from beam_scanner.stores.object_urls import is_object_url, split_url
from beam_scanner.stores.open import files_in, is_remote, locate

_AT_ONCE = 8
"""Requests to an object store that wait side by side."""

T = TypeVar("T")


def absolute(path: Any, what: str) -> str:
    """A file's absolute path, so that workers in other folders find it, or its URL.

    Args:
        path: A path, or a ``file://``, ``gs://`` or ``s3://`` URL, or one of a file
            system that Beam knows.
        what: What it is the path of, for errors.

    Raises:
        ArgumentError: It is neither.

    Examples:
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
        return os.path.abspath(unquote(parts.path))
    expected = f"{what} must be a path or a file://, gs:// or s3:// URL of a file"
    if is_beam_url(text):
        try:
            check_scheme(text)
        except ArgumentError as error:
            raise ArgumentError(f"{expected}: {error}") from None
    elif not is_object_url(text) or not split_url(text)[2]:
        raise ArgumentError(f"{expected}, got {text!r}")
    return text


def is_file(path: str) -> bool:
    """Whether there is such a file.

    Raises:
        StorageError: An object store does not tell.
    """
    store, key = locate(path)
    return store.exists(key)


def read_file(path: str) -> bytes:
    """All that a file holds.

    Raises:
        StorageError: It is missing, or cannot be read.
    """
    store, key = locate(path)
    return store.read(key)


def write_file(path: str, data: bytes) -> None:
    """Writes a file, and makes its folder. What others see of it meanwhile is open.

    Raises:
        StorageError: It cannot be written.
    """
    if is_remote(path):
        store, key = locate(path)
        store.put(key, data)
        return
    # A LocalStore would leave its scratch folder in a folder that is not ours.
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
    if not is_remote(source):
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
    store, key = locate(path)
    store.delete(key)


def hidden_files(folder: str) -> Iterator[str]:
    """Paths of the files of a folder whose names begin with a dot."""
    store = files_in(folder)
    for key in store.list(".", lambda folder: True):
        yield store.describe(key)


def each(
    function: Callable[..., T], paths: Sequence[str], *more: Sequence[Any]
) -> list[T]:
    """Results of a function for each path, with what comes with it; objects side by side.

    Raises:
        Exception: The first that the function raises.
    """
    if not any(map(is_remote, paths)):
        return list(map(function, paths, *more))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, paths, *more))
