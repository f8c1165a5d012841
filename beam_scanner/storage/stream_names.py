"""From stream names to keys.

A stream's name is any text; '/' makes folders. What file systems, object stores
or file patterns cannot hold is percent-quoted, each name differently from every
other, so that two streams never share a file. What is too long for them ends in a
digest; the descriptor has the whole name.
"""

from __future__ import annotations

import hashlib
import re

from beam_scanner.errors import ArgumentError

DESCRIPTOR = "stream.json"
MARKER = "beam_scanner.json"
SEGMENTS = ".segments"
WORK = ".work/"
RUNS, JOBS = f"{WORK}runs/", f"{WORK}jobs/"
ACTIVE = f"{WORK}active/"
INDEX = "index.bin"
FOR_PEOPLE = ("contact_sheet.png", "shots.csv", "preview.mp4")
"""Files that commands leave beside a stream, and that go with it."""

# Object stores allow 1024 bytes; a segment's own part of the key needs some.
_MAX_KEY = 800
_MAX_PART = 240

# File systems and object stores have no longer names either.
_LONGEST_PART = 800
_LONGEST_NAME = 4096

_CUT = "%~"
"""Marks the digest at the end of a shortened text; no quoted text contains it."""

_DIGEST_BYTES = 16

# Control characters, what Windows refuses, what DuckDB and others take for a
# pattern, and '%' itself.
_QUOTED = re.compile(r'[\x00-\x1f\x7f%\\:*?"<>|\[\]]|^\.|[. ]\Z|[\ud800-\udfff]')


def _quote_match(match: re.Match[str]) -> str:
    data = match.group().encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in data)


def _quote_part(part: str) -> str:
    if not part:
        return "%"
    quoted = _QUOTED.sub(_quote_match, part)
    if quoted in (DESCRIPTOR, MARKER) or quoted.endswith(SEGMENTS):
        head, _, tail = quoted.rpartition(".")
        quoted = f"{head}%2E{tail}"
    return _shortened(quoted, _MAX_PART)


def _shortened(quoted: str, most: int) -> str:
    """A text of at most so many bytes, which no other text is shortened to."""
    data = quoted.encode()
    if len(data) <= most:
        return quoted
    digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
    kept = data[: most - len(_CUT) - len(digest)].decode(errors="ignore")
    return f"{kept}{_CUT}{digest}"


def stream_key(name: str) -> str:
    """The key below which all files of a stream lie.

    Spaces and letters of any alphabet stay as they are. Of a part above 240 bytes,
    and of a key above 800, the end is replaced by a digest.

    Args:
        name: The stream's name.

    Raises:
        ArgumentError: The name is empty or not a string, would leave the database
            folder, or is longer than any path.

    Examples:
        >>> stream_key('films/Amélie 1.mp4')
        'films/Amélie 1.mp4'
        >>> stream_key('.hidden/a:b/../c')
        '%2Ehidden/a%3Ab/%2E%2E/c'
    """
    if not isinstance(name, str) or not name:
        raise ArgumentError(
            f"expected a stream name (a string, not empty), got {name!r}"
        )
    depth = 0
    parts = name.split("/")
    for part in parts:
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            break
    if depth < 0 or name.startswith("/"):
        raise ArgumentError(
            f"stream name {name!r} would leave the database folder: expected a "
            "relative name"
        )
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in parts]
    if max(sizes) > _LONGEST_PART or sum(sizes) + len(sizes) > _LONGEST_NAME:
        raise ArgumentError(
            f"stream name {name[:60]!r}... is too long: at most {_LONGEST_PART} bytes "
            f"between slashes and {_LONGEST_NAME} in all"
        )
    quoted = [_quote_part(part) for part in parts]
    key = "/".join(quoted)
    if len(key.encode()) <= _MAX_KEY:
        return key
    digest = _shortened(key, len(_CUT) + 2 * _DIGEST_BYTES)
    room, kept = _MAX_KEY - len(digest), []
    for part in quoted:
        room -= len(part.encode()) + 1
        if room < 0:
            break
        kept.append(part)
    return "/".join([*kept, digest])


def descriptor_key(name: str) -> str:
    """The key of a stream's descriptor, which is written last.

    Examples:
        >>> descriptor_key('a')
        'a/stream.json'
    """
    return f"{stream_key(name)}/{DESCRIPTOR}"


def generation_key(name: str, generation: str) -> str:
    """The key below which the segment files of one generation lie.

    Args:
        name: The stream's name.
        generation: Letters, digits, '-' and '_' alone.

    Raises:
        ArgumentError: See :func:`stream_key`; or the generation is impossible.

    Examples:
        >>> generation_key('a', '5f0c')
        'a/5f0c.segments'
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", generation):
        raise ArgumentError(
            f"impossible generation {generation!r} of stream {name!r}: expected 1 to "
            "64 letters, digits, '-' or '_'"
        )
    return f"{stream_key(name)}/{generation}{SEGMENTS}"


# What writers of segments and of copied videos call their files.
_SEGMENT_FILE = re.compile(
    rf"[0-9]{{8,}}-[A-Za-z0-9_-]+\..+|{re.escape(INDEX)}|video(\.[a-z0-9]{{1,8}})?"
)


def is_segment_file(name: str) -> bool:
    """Whether a file in the folder of a generation is called as those of streams are.

    Examples:
        >>> is_segment_file('00000000-x.parquet'), is_segment_file('notes.txt')
        (True, False)
    """
    return _SEGMENT_FILE.fullmatch(name) is not None


_MADE = re.compile(rf"[0-9a-f]{{32,40}}(-[0-9a-f]{{12}})?{re.escape(SEGMENTS)}/")


def is_made_generation(folder: str) -> bool:
    """Whether a folder has the name of a generation, as this package makes them.

    Examples:
        >>> is_made_generation(f'{"5f0c" * 8}.segments/')
        True
        >>> is_made_generation('shots.segments/')
        False
    """
    return _MADE.fullmatch(folder) is not None


def is_generation(folder: str) -> bool:
    """Whether a folder (``'a/5f0c.segments/'``) holds the segments of a stream."""
    return folder.endswith(f"{SEGMENTS}/")
