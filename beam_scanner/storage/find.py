"""Which files a path or a pattern names, and the names of their streams.

The same for folders, buckets and the file systems that Beam knows; :mod:`beam_scanner.stores.patterns` has the rules.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from beam_scanner.errors import ArgumentError, Failure
from beam_scanner.storage.stream_names import DESCRIPTOR, is_made_generation
from beam_scanner.stores import is_object_url, is_remote
from beam_scanner.stores.object_store import ObjectNotFoundError
from beam_scanner.stores.object_urls import folders_of, split_url
from beam_scanner.stores.open import files_in
from beam_scanner.stores.paths import is_file
from beam_scanner.stores.patterns import Pattern, States
from beam_scanner.stores.regular_files import special_kind

EXTENSIONS = (
    *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)
"""Files of a folder that are taken for videos."""

Folder = Literal["search", "search all", "take"]
"""How to take a folder: as the videos below it, all files below it, or one input."""


@dataclass
class Found:
    """What a path or pattern names.

    Attributes:
        files: Pairs of a stream's name and a path, in order of the names.
        failures: Folders that could not be searched.
    """

    files: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def find_files(given: str, folder: Folder) -> Found:
    """Finds the files that a path or pattern names.

    What exists under just that path is meant, also if it looks like a pattern. Of a
    pattern's files, names are their paths below its literal part: ``films/*/*.mp4``
    makes ``a/x.mp4`` of ``films/a/x.mp4``. Left out are what lies in the folder of a
    stream (a database may be among the videos), and pipes, sockets and devices.

    Symlinks to files are files; one that leads nowhere is found, for whoever opens it
    to say so. Where ``**`` searches, symlinks to folders are followed as well, but no
    folder is searched twice.

    Args:
        given: A path, a pattern, or the URL of either.
        folder: What a folder is taken for.

    Returns:
        What was found; finding nothing is not an error.

    Raises:
        ArgumentError: The pattern is impossible, the path is that of a pipe, a socket or
            a device, or Beam does not know the URL's scheme.
        StorageError: A bucket, or another file system, cannot be listed.
    """
    if is_remote(given):
        return _objects(given, folder)
    return _local(_local_path(given), folder)


def is_folder(path: str) -> bool:
    """Whether a path is known to be that of a folder; of a URL, only by its last slash.

    Examples:
        >>> is_folder('.'), is_folder('gs://films/tv/'), is_folder('gs://films/tv')
        (True, True, False)
    """
    if is_remote(path):
        return path.endswith("/")
    return os.path.isdir(_local_path(path))


def _local_path(given: str) -> str:
    """The path of a file URL."""
    parts = urlsplit(given) if given.startswith("file://") else None
    if parts is None or parts.netloc not in ("", "localhost"):
        return given
    return unquote(given.partition("://")[2].removeprefix(parts.netloc))


def is_video(path: str) -> bool:
    """Whether a file's name ends as those of videos do."""
    return os.path.splitext(path)[1].lower() in EXTENSIONS


def _any_file(name: str) -> bool:
    return not name.startswith(".")


_WANTED = {"search": is_video, "search all": _any_file}


def _local(given: str, folder: Folder) -> Found:
    pattern = Pattern(given)
    for path in pattern.paths:
        if os.path.isdir(path) and folder != "take":
            return _Walk(Pattern.below(path), _WANTED[folder]).run()
        if kind := special_kind(path):
            raise ArgumentError(f"{path!r} is {kind}, not a file")
        if os.path.exists(path):
            return Found([(os.path.basename(path.rstrip("/")), path)])
    return Found() if pattern.is_literal else _Walk(pattern, lambda _: True).run()


class _Walk:
    """Searches the folders of this machine that may have files that match.

    Args:
        pattern: What to match.
        is_wanted: What else must be true of a file's name.

    Attributes:
        found: What was found so far.
    """

    def __init__(self, pattern: Pattern, is_wanted: Callable[[str], bool]) -> None:
        self._pattern = pattern
        self._is_wanted = is_wanted
        self._searched: set[tuple[int, int, States]] = set()
        self._folders = [("", pattern.start)]
        # Links come last, so that a file is named by its own path where it has one.
        self._links: list[tuple[int, str, list[int]]] = []
        self.found = Found()

    def run(self) -> Found:
        """Searches them all."""
        while self._folders or self._links:
            if self._folders:
                below, states = self._folders.pop()
            else:
                _, below, listed = heapq.heappop(self._links)
                states = frozenset(listed)
            self._search(below, states, self._entries(below, states))
        self.found.files.sort()
        return self.found

    def _entries(self, below: str, states: States) -> list[os.DirEntry[str]]:
        """The contents of a folder; none for those that are left out."""
        path = self._pattern.root + below
        try:
            status = os.stat(path or ".")
            here = status.st_dev, status.st_ino, states
            if here in self._searched and self._pattern.is_recursive(states):
                return []
            self._searched.add(here)
            with os.scandir(path or ".") as listing:
                entries = list(listing)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            reason = f"folder {path!r} cannot be searched: {error.strerror}"
            name = below.rstrip("/") or path
            self.found.failures.append(Failure(name, reason, kind="input"))
            return []
        is_stream = bool(below) and any(entry.name == DESCRIPTOR for entry in entries)
        return [] if is_stream else entries

    def _search(
        self, below: str, states: States, entries: list[os.DirEntry[str]]
    ) -> None:
        pattern = self._pattern
        for entry in entries:
            name = below + entry.name
            after = pattern.step(states, entry.name)
            if not after:
                continue
            if not _is_folder(entry):
                wanted = pattern.is_end(after) and self._is_wanted(entry.name)
                if wanted and _is_file(entry):
                    self.found.files.append((name, pattern.root + name))
                continue
            inside = pattern.unfinished(after)
            if not inside or is_made_generation(f"{entry.name}/"):
                continue
            if entry.is_symlink():
                depth = name.count("/")
                heapq.heappush(self._links, (depth, f"{name}/", sorted(inside)))
            else:
                self._folders.append((f"{name}/", inside))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symlink to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a symlink that leads nowhere."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry))
    except OSError:
        return True


def _objects(url: str, folder: Folder) -> Found:
    pattern = Pattern(url)
    for path in pattern.paths:
        if not path.endswith("/") and _has_key(path) and is_file(path):
            return Found([(path.rpartition("/")[2], path)])
    if not pattern.is_literal:
        return _listed(pattern, lambda _: True)
    if folder == "take":
        return Found()
    return _listed(Pattern.below(url), _WANTED[folder])


def _has_key(url: str) -> bool:
    return not is_object_url(url) or bool(split_url(url)[2])


def _listed(pattern: Pattern, is_wanted: Callable[[str], bool]) -> Found:
    """Objects that match."""
    streams: set[str] = set()
    names = []
    try:
        keys = list(files_in(pattern.root).list())
    except ObjectNotFoundError:  # no such folder
        keys = []
    for name in keys:
        folder, _, file = name.rpartition("/")
        if file == DESCRIPTOR and folder:
            streams.add(f"{folder}/")
        if is_wanted(file) and pattern.matches(name):
            names.append(name)
    return Found(
        sorted(
            (name, pattern.root + name)
            for name in names
            if not any(f in streams or _is_segments(f) for f in folders_of(name))
        )
    )


def _is_segments(folder: str) -> bool:
    return is_made_generation(f"{folder[:-1].rpartition('/')[2]}/")
