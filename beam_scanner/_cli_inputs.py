"""From what ``--input`` names to videos with stream names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

from beam_scanner.errors import ArgumentError
from beam_scanner.storage.names import DESCRIPTOR, is_generation

EXTENSIONS = (
    *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)
"""Files of a folder that are taken for videos."""


def find_videos(patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Finds videos and names their streams.

    A stream's name is the path below the part of the pattern that has no wildcards,
    extension kept: ``films/*/*.mp4`` makes ``a/x.mp4`` of ``films/a/x.mp4``.

    What lies in the folder of a stream is not found by patterns and folders, so that
    a database may be among the videos.

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
        root = literal_part(pattern)
        in_stream = _InStream()
        found = glob.glob(pattern, recursive=True)
        files = sorted(
            path
            for path in found
            if not os.path.isdir(path) and not in_stream(os.path.dirname(path))
        )
        if not files:
            raise ArgumentError(f"--input: no file matches {pattern!r}")
        yield from ((_name(path, root), path) for path in files)
    else:
        raise ArgumentError(f"--input: there is no file {pattern!r}")


def _below(folder: str) -> Iterator[tuple[str, str]]:
    in_stream = _InStream()
    files = sorted(
        os.path.join(parent, file)
        for parent, _, names in os.walk(folder)
        if not in_stream(parent)
        for file in names
        if os.path.splitext(file)[1].lower() in EXTENSIONS
    )
    if not files:
        raise ArgumentError(f"--input: there is no video below the folder {folder!r}")
    yield from ((_name(path, folder), path) for path in files)


class _InStream:
    """Whether a folder is that of a stream, or in one; looks once for each."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}

    def __call__(self, folder: str) -> bool:
        folder = os.path.abspath(folder)
        if folder not in self._known:
            above = os.path.dirname(folder)
            self._known[folder] = (
                is_generation(f"{folder}/")
                or os.path.exists(os.path.join(folder, DESCRIPTOR))
                or (above != folder and self(above))
            )
        return self._known[folder]


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
