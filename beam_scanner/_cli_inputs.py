"""From what ``--input`` names to videos with stream names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

from beam_scanner.errors import ArgumentError

EXTENSIONS = (
    *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)
"""Files of a folder that are taken for videos."""


def find_videos(patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Finds videos and names their streams.

    A stream's name is the path below the part of the pattern that has no wildcards,
    extension kept: ``films/*/*.mp4`` makes ``a/x.mp4`` of ``films/a/x.mp4``.

    Args:
        patterns: Files, patterns and folders; ``**`` stands for any folders.

    Returns:
        Pairs of a stream name and a path; those of a pattern in order of the path.

    Raises:
        ArgumentError: There is no such file, or two files get one name.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        for name, path in _matches(pattern):
            other = found.setdefault(name, path)
            if os.path.realpath(other) != os.path.realpath(path):
                raise ArgumentError(
                    f"--input: {other!r} and {path!r} would both be stream {name!r}: "
                    "name them by one pattern, in quotes, or by their common folder"
                )
    return list(found.items())


def _matches(pattern: str) -> Iterator[tuple[str, str]]:
    if os.path.isdir(pattern):
        yield from _below(pattern)
    elif os.path.exists(pattern):
        # Also a file whose name looks like a pattern.
        yield os.path.basename(pattern), pattern
    elif glob.has_magic(pattern):
        files = sorted(p for p in glob.glob(pattern, recursive=True) if _is_file(p))
        if not files:
            raise ArgumentError(f"--input: no file matches {pattern!r}")
        root = literal_part(pattern)
        yield from ((_name(path, root), path) for path in files)
    else:
        raise ArgumentError(f"--input: there is no file {pattern!r}")


def _below(folder: str) -> Iterator[tuple[str, str]]:
    files = sorted(
        os.path.join(parent, file)
        for parent, _, names in os.walk(folder)
        for file in names
        if os.path.splitext(file)[1].lower() in EXTENSIONS
    )
    if not files:
        raise ArgumentError(f"--input: there is no video below the folder {folder!r}")
    yield from ((_name(path, folder), path) for path in files)


def _is_file(path: str) -> bool:
    return not os.path.isdir(path)


def _name(path: str, root: str) -> str:
    return os.path.relpath(path, root or ".").replace(os.sep, "/")


def literal_part(pattern: str) -> str:
    """The folder that a pattern names before its first wildcard.

    Example:
        >>> literal_part('films/196*/a.mp4'), literal_part('*.mp4')
        ('films', '')
    """
    head, _ = os.path.split(pattern)
    while glob.has_magic(head):
        head, _ = os.path.split(head)
    return head
