"""Objects below a folder, and those whose URL matches a pattern."""

from __future__ import annotations

from collections.abc import Iterator

from beam_scanner.stores.open import open_bucket
from beam_scanner.stores.patterns import Pattern


def objects_below(folder: str) -> Iterator[str]:
    """Yields what follows a folder's URL in those of its objects, in order of keys.

    Args:
        folder: As in ``gs://bucket/films/``.

    Raises:
        ArgumentError: It is no URL of objects.
        StorageError: The bucket cannot be listed.
    """
    bucket, key = open_bucket(folder)
    prefix = f"{key}/" if key else ""
    for keys, _ in bucket.pages(prefix):
        yield from (key[len(prefix) :] for key in keys)


def match_objects(pattern: str) -> Iterator[str]:
    """Yields the URLs of objects that match a pattern, in order of their keys.

    Only what lies below the pattern's literal part is listed. For the rules see
    :mod:`beam_scanner.stores.patterns`.

    Args:
        pattern: As in ``gs://bucket/films/**/*.mp4``.

    Raises:
        ArgumentError: It is no URL of objects, or no pattern.
        StorageError: The bucket cannot be listed.
    """
    wanted = Pattern(pattern)
    for name in objects_below(wanted.root):
        if wanted.matches(name):
            yield wanted.root + name
