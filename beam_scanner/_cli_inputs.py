"""From what ``--input`` names to videos with stream names."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence

from beam_scanner.buckets import is_object_url, match_objects, open_bucket
from beam_scanner.errors import ArgumentError, ObjectNotFoundError
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
        patterns: Files, patterns and folders; ``**`` stands for any folders. URLs
            ``gs://`` and ``s3://`` too.

    Returns:
        Pairs of a stream name and a path; those of a pattern in order of the path.

    Raises:
        ArgumentError: There is no such file, or two files get one name.
        StorageError: A bucket cannot be listed.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        matches = _objects if is_object_url(pattern) else _matches
        for name, path in matches(pattern):
            other = found.setdefault(name, path)
            if _real(other) != _real(path):
                raise ArgumentError(
                    f"--input: {other!r} and {path!r} would both be stream {name!r}: "
                    "name them by one pattern, in quotes, or by their common folder"
                )
    return list(found.items())


def _real(path: str) -> str:
    return path if is_object_url(path) else os.path.realpath(path)


def _matches(pattern: str) -> Iterator[tuple[str, str]]:
    if os.path.isdir(pattern):
        yield from _below(pattern)
    elif os.path.exists(pattern):
        # Also a file whose name looks like a pattern.
        yield os.path.basename(pattern), pattern
    elif glob.has_magic(pattern):
        root = literal_part(pattern)
        in_stream = _InStream(os.path.exists)
        found = glob.glob(pattern, recursive=True)
        files = sorted(
            path
            for path in found
            if not os.path.isdir(path)
            and not in_stream(os.path.abspath(os.path.dirname(path)))
        )
        if not files:
            raise ArgumentError(f"--input: no file matches {pattern!r}")
        yield from ((_name(path, root), path) for path in files)
    else:
        raise ArgumentError(f"--input: there is no file {pattern!r}")


def _below(folder: str) -> Iterator[tuple[str, str]]:
    in_stream = _InStream(os.path.exists)
    files = sorted(
        os.path.join(parent, file)
        for parent, _, names in os.walk(folder)
        if not in_stream(os.path.abspath(parent))
        for file in names
        if _is_video(file)
    )
    if not files:
        raise ArgumentError(f"--input: there is no video below the folder {folder!r}")
    yield from ((_name(path, folder), path) for path in files)


def _is_video(file: str) -> bool:
    return os.path.splitext(file)[1].lower() in EXTENSIONS


def _objects(url: str) -> Iterator[tuple[str, str]]:
    if not glob.has_magic(url):
        folder = url.rstrip("/")
        if folder == url and _is_object(url):
            yield url.rpartition("/")[2], url
            return
        found = [path for path in match_objects(f"{folder}/**") if _is_video(path)]
        nothing = f"there is no object {url!r}, nor a video below it"
    else:
        folder = literal_part(url)
        found = list(match_objects(url))
        nothing = f"no object matches {url!r}"
    in_stream = _InStream(_is_object)
    files = [path for path in found if not in_stream(os.path.dirname(path), folder)]
    if not files:
        raise ArgumentError(f"--input: {nothing}")
    yield from ((path[len(folder) + 1 :], path) for path in files)


def _is_object(url: str) -> bool:
    bucket, key = open_bucket(url)
    try:
        bucket.stat(key)
    except ObjectNotFoundError:
        return False
    return True


class _InStream:
    """Whether a folder is that of a stream, or in one; looks once for each.

    Args:
        exists: Whether there is a file.
    """

    def __init__(self, exists: Callable[[str], bool]) -> None:
        self._exists = exists
        self._known: dict[str, bool] = {}

    def __call__(self, folder: str, top: str = "/") -> bool:
        """See the class; looks no higher than ``top``."""
        if folder not in self._known:
            above = os.path.dirname(folder)
            self._known[folder] = (
                is_generation(f"{folder}/")
                or self._exists(os.path.join(folder, DESCRIPTOR))
                or (folder not in (above, top) and self(above, top))
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
