"""The versions of the files that a model's settings name: weights, vocabularies, folders.

Results are made again when these change, though no weights travel to the workers, which
load them where they are.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from beam_scanner.errors import (
    MissingDependencyError,
    ObjectNotFoundError,
    StorageError,
)
from beam_scanner.kernels.digests.named_files import is_for_reading
from beam_scanner.stores.bucket_store import BucketStore
from beam_scanner.stores.object_urls import is_object_url
from beam_scanner.stores.open import locate
from beam_scanner.stores.sampled_digest import sampled_digest

_WHOLE = 64 << 20
_PIECE = 256 << 10
_PIECES = 16
_MOST_FILES = 2000
_DEPTH = 6
_SKIPPED = ("env_vars",)
"""Settings that name files which are not of the model."""

_WRITTEN = (".log", ".out", ".err", ".lock", ".pid", ".tmp", ".done", ".sock")
"""Endings of files that a model writes, not reads."""

_OF_FOLDER = re.compile(r"variables\.(index|data-\d+-of-\d+)|vocab.*|merges\.txt")
"""Files of folders with models that have no ending of such files."""


class Version(NamedTuple):
    """One file or folder that is named, as it is now.

    Attributes:
        place: Its path or URL.
        content: A digest, or the version that a bucket gives.
        changed: When its large files were changed last, in nanoseconds since 1970: of
            these the digest covers pieces.
    """

    place: str
    content: str
    changed: int = 0


def versions_of(model: Any) -> tuple[Version, ...]:
    """The versions of all files and folders that a model's settings name.

    Args:
        model: A model handler, or an object of the user's.

    Warns:
        UserWarning: A bucket does not tell.

    Examples:
        >>> versions_of({'threshold': 0.5, 'path': '/no/such/file.onnx'})
        ()
    """
    places = dict.fromkeys(_places(model, _DEPTH))
    found = (_version(place) for place in places)
    return tuple(version for version in found if version is not None)


@dataclass(frozen=True)
class FilesSeen:
    """What a process finds under a path.

    Attributes:
        by: Equal for processes that find the same files: those of one machine, or of
            one container.
    """

    by: str


def _seen_by() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/mnt')}"
    except OSError:
        return socket.gethostname()


HERE = FilesSeen(_seen_by())
"""Of this process. Its name alone is part of fingerprints, since it is a global."""


def changed_since(versions: tuple[Version, ...], seen: FilesSeen | None = None) -> str:
    """The first place whose content is another one than it was; '' if all are the same.

    Places that are not there in this process are not compared. The times of files are
    compared only by processes that see the same ones: copies have times of their own.

    Args:
        versions: As they were.
        seen: By the process that looked at them.
    """
    for version in versions:
        now = _version(version.place)
        if now is None:
            continue
        if now.content != version.content:
            return version.place
        if seen == HERE and now.changed != version.changed:
            return version.place
    return ""


def _places(value: Any, depth: int) -> Iterator[str]:
    """Strings and paths in the settings of an object."""
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if isinstance(text, str) and 2 < len(text) < 4096 and text.isprintable():
            yield text
    elif not depth:
        return
    elif isinstance(value, Mapping):
        for name, item in list(value.items()):
            if not (isinstance(name, str) and name.strip("_") in _SKIPPED):
                yield from _places(item, depth - 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in list(value)[:_MOST_FILES]:
            yield from _places(item, depth - 1)
    elif isinstance(value, functools.partial):
        yield from _places((value.args, value.keywords), depth - 1)
    elif not isinstance(value, type):
        yield from _places(getattr(value, "__dict__", {}), depth - 1)


def _version(place: str) -> Version | None:
    if is_object_url(place):
        return _of_objects(place)
    if "://" in place and not place.startswith("file://"):
        return _of_beams(place)
    path = os.path.realpath(place.removeprefix("file://"))
    try:
        if os.path.isfile(path) and not path.endswith(_WRITTEN):
            return Version(place, *_of_file(path))
        # A folder in which everything lies is no model.
        if os.path.isdir(path) and not _is_above(path, os.getcwd()):
            return _of_folder(place, path)
    except OSError as error:
        _warn(place, error)
    return None


def _is_above(folder: str, other: str) -> bool:
    return os.path.join(other, "").startswith(os.path.join(folder, ""))


def _of_file(path: str) -> tuple[str, int]:
    found = os.stat(path)
    large = found.st_size > _WHOLE
    key = (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
    return _digest(path, key), found.st_mtime_ns if large else 0


@functools.lru_cache(maxsize=4096)
def _digest(path: str, key: tuple[int, ...]) -> str:
    with open(path, "rb") as file:
        return sampled_digest(file, _pieces)


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    if size <= _WHOLE:
        yield from ((start, _PIECE) for start in range(0, size, _PIECE))
        return
    for number in range(_PIECES):
        yield number * (size - _PIECE) // (_PIECES - 1), _PIECE


def _of_folder(place: str, path: str) -> Version | None:
    """A folder with a model; None for others, which it may write into."""
    if not any(map(_is_of_model, os.listdir(path))):
        return None
    listed: list[str] = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        listed += [os.path.join(folder, n) for n in sorted(names) if _is_of_model(n)]
        if len(listed) > _MOST_FILES:
            break
    lines, changed = [], 0
    for file in filter(os.path.isfile, listed[:_MOST_FILES]):
        content, when = _of_file(file)
        changed = max(changed, when)
        lines.append(f"{os.path.relpath(file, path)}\0{content}")
    return Version(place, _of_list(lines), changed) if lines else None


def _is_of_model(name: str) -> bool:
    return is_for_reading(name) or _OF_FOLDER.fullmatch(name) is not None


def _of_objects(url: str) -> Version | None:
    """An object, or all objects below a URL."""
    try:
        store, key = locate(url)
        assert isinstance(store, BucketStore)
        try:
            return Version(url, _of_object(store, key))
        except ObjectNotFoundError:
            keys = list(store.sizes(f"{key}/" if key else ""))[:_MOST_FILES]
            listed = [f"{name}\0{_of_object(store, name)}" for name in keys]
    except (StorageError, MissingDependencyError) as error:
        _warn(url, error)
        return None
    return Version(url, _of_list(listed)) if listed else None


def _of_object(store: BucketStore, key: str) -> str:
    found = store.stat(key)
    return f"{found.size} {found.version}"


def _of_beams(url: str) -> Version | None:
    """What lies at a URL of another file system that Beam knows."""
    filesystems = sys.modules.get("apache_beam.io.filesystems")
    if filesystems is None:
        return None
    try:
        patterns = [url, url.rstrip("/") + "/**"]
        matches = filesystems.FileSystems.match(patterns, [_MOST_FILES] * 2)
    except Exception:
        # Of a scheme that Beam does not know, such as https, or of a service.
        return None
    files = [file for match in matches for file in match.metadata_list]
    listed = [
        f"{file.path}\0{file.size_in_bytes} {file.last_updated_in_seconds}"
        for file in files
    ]
    return Version(url, _of_list(listed)) if listed else None


def _of_list(lines: list[str]) -> str:
    text = "\n".join(sorted(lines)).encode()
    return hashlib.blake2b(text, digest_size=20).hexdigest()


_warned: set[str] = set()


def _warn(place: str, error: Exception) -> None:
    if place not in _warned:
        _warned.add(place)
        warnings.warn(
            f"{place!r}, which a model names, cannot be looked at ({error}): stored "
            "results will not be made again when it changes",
            stacklevel=2,
        )
