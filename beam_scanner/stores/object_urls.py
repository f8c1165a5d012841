"""URLs of objects and buckets, and which keys are possible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from beam_scanner.errors import ArgumentError

SCHEMES = ("gs", "s3")
"""What the URLs of objects begin with."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,254}")


def is_object_url(path: object) -> bool:
    """Whether a path is the URL of an object or bucket.

    Examples:
        >>> is_object_url('gs://films/a.mp4'), is_object_url('films/a.mp4')
        (True, False)
    """
    if not isinstance(path, str):
        return False
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme in SCHEMES


def split_url(url: str) -> tuple[str, str, str]:
    """Scheme, bucket and key of a URL; what follows the bucket is taken as it is.

    Raises:
        ArgumentError: Another scheme, no bucket, or an impossible key.

    Examples:
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


def folders_of(key: str) -> Iterator[str]:
    """The folders that a key lies in, the outermost first.

    Examples:
        >>> list(folders_of('a/b/c.mp4'))
        ['a/', 'a/b/']
    """
    return accumulate(f"{part}/" for part in key.split("/")[:-1])


def is_possible(key: str) -> bool:
    """Whether a file system could hold a key, too."""
    parts = key.split("/")
    return not any(part in ("", ".", "..") or "\0" in part for part in parts)


def check_key(key: str, shown: str = "") -> None:
    """Refuses keys that are not relative paths, or that have a part that moves up.

    Args:
        key: The key.
        shown: What errors call it.

    Raises:
        ArgumentError: The key is impossible.
    """
    if not is_possible(key):
        raise ArgumentError(
            f"impossible key {shown or key!r}: expected a relative path without empty "
            "parts, '.' or '..'"
        )
