"""Objects whose URL matches a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator

from beam_scanner.buckets.base import open_bucket

_MAGIC = re.compile(r"[*?[]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[(!?)(\]?[^\]]*)\]|.", re.DOTALL)


def literal_prefix(pattern: str) -> str:
    """The folder that a pattern names before its first wildcard, with its slash.

    Example:
        >>> literal_prefix('gs://films/tv/196*/a.mp4'), literal_prefix('gs://films/*')
        ('gs://films/tv/', 'gs://films/')
    """
    found = _MAGIC.search(pattern)
    end = len(pattern) if found is None else found.start()
    return pattern[: pattern.rfind("/", 0, end) + 1]


def match_objects(pattern: str) -> Iterator[str]:
    """Yields the URLs of objects that match a pattern, in order of their keys.

    ``*`` and ``?`` stand for letters between slashes, ``**`` for any, ``[a-z]`` for
    one of some. Only what lies below the pattern's literal part is listed.

    Args:
        pattern: As in ``gs://bucket/films/*.mp4``.

    Raises:
        ArgumentError: It is no URL of objects.
        StorageError: The bucket cannot be listed.
    """
    root = literal_prefix(pattern)
    bucket, folder = open_bucket(root)
    matches = re.compile(translated(pattern[len(root) :])).fullmatch
    prefix = f"{folder}/" if folder else ""
    for keys, _ in bucket.pages(prefix):
        for key in keys:
            if matches(key[len(prefix) :]):
                yield bucket.url_of(key)


def translated(pattern: str) -> str:
    r"""A pattern as a regular expression.

    Example:
        >>> translated('a/*.mp4')
        'a/[^/]*\\.mp4'
    """
    parts = []
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        if text == "**/":
            parts.append("(?:.*/)?")
        elif text == "**":
            parts.append(".*")
        elif text == "*":
            parts.append("[^/]*")
        elif text == "?":
            parts.append("[^/]")
        elif len(text) > 1:
            negated = "^/" if token.group(1) else ""
            inside = re.sub(r"([\\\]\[^&~|])", r"\\\1", token.group(2))
            parts.append(f"[{negated}{inside}]")
        else:
            parts.append(re.escape(text))
    return "".join(parts)
