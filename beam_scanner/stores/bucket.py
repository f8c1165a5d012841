"""What a bucket of an object storage service is asked to do.

Objects are read in whole and in ranges, put atomically, put if absent, listed and
deleted. Everything above this needs to know neither service nor library.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from beam_scanner.errors import ArgumentError

SCHEMES = ("gs", "s3")
"""What the URLs of objects begin with."""

PAGE_KEYS = 1000
"""How many keys a listing is asked for at a time."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,254}")


class Stat(NamedTuple):
    """What is known of an object without reading it.

    Attributes:
        size: Bytes.
        version: Differs from that of any other content the key ever had.
    """

    size: int
    version: str


class Bucket(ABC):
    """A bucket: objects by key.

    Buckets pickle, hold no connection and may be used by several threads: clients
    belong to the process. Transient errors are tried again as the service's own
    library does; what remains is a :class:`~beam_scanner.errors.StorageError` that
    names the object's URL.

    Args:
        name: The bucket's name.

    Attributes:
        scheme: The first part of its URL.
    """

    scheme: str

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def url(self) -> str:
        """The bucket's URL, without a slash at its end."""
        return f"{self.scheme}://{self.name}"

    def url_of(self, key: str) -> str:
        """The URL of an object."""
        return f"{self.url}/{key}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bucket) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    @abstractmethod
    def stat(self, key: str) -> Stat:
        """Size and version of an object.

        Raises:
            ObjectNotFoundError: There is none.
        """

    @abstractmethod
    def read(
        self, key: str, start: int = 0, stop: int | None = None, version: str = ""
    ) -> bytes:
        """The bytes ``[start, stop)`` of an object, cut short at its end.

        Args:
            key: Which object.
            start: The first byte.
            stop: The byte after the last; None for the object's end.
            version: The version that is to be read; any if ''.

        Raises:
            ObjectNotFoundError: There is none.
            StorageError: It has another version by now.
        """

    @abstractmethod
    def put(self, key: str, data: bytes | os.PathLike[str]) -> None:
        """Stores bytes, or a copy of a local file, in place of what was there."""

    @abstractmethod
    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Stores bytes unless the key is taken; True if these now lie there."""

    @abstractmethod
    def put_if(self, key: str, data: bytes, expected: bytes) -> bool:
        """Stores bytes if these are there; True if the new ones now lie there."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Removes an object; an absent one is no error."""

    @abstractmethod
    def delete_if(self, key: str, expected: bytes) -> bool:
        """Removes an object if it holds these bytes; whether it did."""

    @abstractmethod
    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yields keys that begin so, and how many bytes each object has."""

    @abstractmethod
    def pages(self, prefix: str, after: str = "") -> Iterator[tuple[list[str], bool]]:
        """Yields keys in lexicographic order, and whether there are more.

        Args:
            prefix: What they begin with.
            after: Only keys behind this one.
        """


def is_object_url(path: object) -> bool:
    """Whether a path is the URL of an object or bucket.

    Example:
        >>> is_object_url('gs://films/a.mp4'), is_object_url('films/a.mp4')
        (True, False)
    """
    return isinstance(path, str) and path.partition("://")[0] in SCHEMES


def split_url(url: str) -> tuple[str, str, str]:
    """Scheme, bucket and key of a URL; what follows the bucket is taken as it is.

    Raises:
        ArgumentError: Another scheme, no bucket, or an impossible key.

    Example:
        >>> split_url('gs://films/tv/a%20b?.mp4')
        ('gs', 'films', 'tv/a%20b?.mp4')
        >>> split_url('s3://films/')
        ('s3', 'films', '')
    """
    scheme, separator, rest = url.partition("://")
    name, _, key = rest.partition("/")
    if not separator or scheme not in SCHEMES or not _BUCKET.fullmatch(name):
        raise ArgumentError(
            f"expected a URL as in gs://bucket/key or s3://bucket/key, got {url!r}"
        )
    key = key.removesuffix("/")
    if key:
        check_key(key, url)
    return scheme, name, key


def check_key(key: str, shown: str = "") -> None:
    """Refuses keys that a file system could not hold too.

    Raises:
        ArgumentError: It is no relative path, or has a part that moves up.
    """
    if any(part in ("", ".", "..") or "\0" in part for part in key.split("/")):
        raise ArgumentError(
            f"impossible key {shown or key!r}: expected a relative path without empty "
            "parts, '.' or '..'"
        )
