"""From what ``--input`` names to videos with stream names."""

from __future__ import annotations

import os
from collections.abc import Sequence

from beam_scanner.errors import ArgumentError, Failure
from beam_scanner.storage.find import find_files
from beam_scanner.stores import is_remote
from beam_scanner.stores.patterns import has_wildcard


def find_videos(
    patterns: Sequence[str], failures: list[Failure] | None = None
) -> list[tuple[str, str]]:
    """Finds videos and names their streams; see :func:`find_files`.

    Args:
        patterns: Files, patterns and folders, here, at ``gs://`` and ``s3://``, and of
            other file systems that Beam knows. Of a folder, the videos below it are taken.
        failures: Is given what cannot be searched; None: that is an error.

    Returns:
        Pairs of a stream name and a path; those of a pattern in order of the names.

    Raises:
        ArgumentError: There is no such file, or two files get one name.
        StorageError: A bucket cannot be listed.
    """
    videos: dict[str, str] = {}
    for pattern in patterns:
        try:
            found = find_files(pattern, "search")
        except ArgumentError as error:
            raise ArgumentError(f"--input: {error}") from error
        if found.failures and (failures is None or not found.files):
            raise ArgumentError(f"--input: {found.failures[0].reason}")
        if not found.files:
            raise ArgumentError(f"--input: {_nothing(pattern)}")
        if failures is not None:
            failures += found.failures
        for name, path in found.files:
            other = videos.setdefault(name, path)
            if _real(other) != _real(path):
                raise ArgumentError(
                    f"--input: {other!r} and {path!r} would both be stream {name!r}: "
                    "name them by one pattern, in quotes, or by their common folder"
                )
    return list(videos.items())


def _real(path: str) -> str:
    return path if is_remote(path) else os.path.realpath(path)


def _nothing(pattern: str) -> str:
    what = "object" if is_remote(pattern) else "file"
    if os.path.isdir(pattern):
        return f"there is no video below the folder {pattern!r}"
    if has_wildcard(pattern):
        quoted = " (a '[' of a name is written '[[]')" if "[" in pattern else ""
        return f"no {what} matches {pattern!r}{quoted}"
    below = ", nor a video below it" if is_remote(pattern) else ""
    return f"there is no {what} {pattern!r}{below}"
