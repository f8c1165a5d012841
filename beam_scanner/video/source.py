"""Where a video's bytes come from: a path, a URL, or a callable that opens them.

URLs are read by ranges near what is decoded. A callable takes
nothing and returns a new, readable and seekable binary file each time, so that a
decoder can open the same video again.

Bytes that cannot be read now raise a ``StorageError``: it says nothing about the video.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from beam_scanner.errors import ScannerException, StorageError, VideoError
from beam_scanner.stores import open_file
from beam_scanner.stores.object_file import ObjectFile
from beam_scanner.stores.regular_files import NoFileError
from beam_scanner.stores.sampled_digest import sampled_digest

VideoSource = str | os.PathLike[str] | Callable[[], BinaryIO]

_HEAD = 64 * 1024
_SAMPLE = 4 * 1024
_SAMPLES = 6
_CHUNK = 1 << 20

# By URL and version, so that each decoder that opens an object need not read it.
_digests: dict[tuple[str, str], str] = {}
_KNOWN_DIGESTS = 4096


def source_name(source: VideoSource) -> str:
    """What error messages call a source.

    Examples:
        >>> source_name('films/a.mp4')
        'films/a.mp4'
    """
    if callable(source):
        return str(getattr(source, "name", None) or repr(source))
    return os.fspath(source)


def open_source(source: VideoSource, kind: str = "video") -> BinaryIO:
    """Opens a source for reading.

    Args:
        source: The file.
        kind: What errors call it.

    Raises:
        VideoError: It is missing, no file (a folder, a device, a named pipe), or may
            not be read.
        StorageError: It cannot be opened now.
    """
    name = source_name(source)
    try:
        file = source() if callable(source) else open_file(source)
    except NoFileError as error:
        raise VideoError(f"{kind} {name!r} {error.strerror}") from error
    except FileNotFoundError as error:
        raise VideoError(f"{kind} {name!r} does not exist") from error
    except IsADirectoryError as error:
        raise VideoError(f"{kind} {name!r} is a folder, not a file") from error
    except PermissionError as error:
        raise VideoError(f"{kind} {name!r} cannot be opened: {error}") from error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{kind} {name!r} cannot be opened: {error}") from error
    # Files in /proc claim 0 bytes as well, and cannot be videos.
    if not callable(source) and _is_empty(file):
        file.close()
        raise VideoError(f"{kind} {name!r} is empty (0 bytes)")
    return file


def _is_empty(file: BinaryIO) -> bool:
    try:
        return os.fstat(file.fileno()).st_size == 0
    except OSError:  # no file of this machine
        return False


@contextmanager
def reading(source: VideoSource) -> Iterator[None]:
    """Turns what reading a source raises into a ``StorageError`` that names it."""
    try:
        yield
    except ScannerException:
        raise
    except Exception as error:  # whatever the caller's own file raises
        name = source_name(source)
        raise StorageError(f"video {name!r} cannot be read: {error}") from error


def check_readable(source: VideoSource, error: BaseException) -> None:
    """Raises a ``StorageError`` if the disk is to blame for an error of FFmpeg.

    FFmpeg raises the same for damaged files, so the whole file is read once to see.

    Args:
        source: The file.
        error: What FFmpeg raised.

    Raises:
        StorageError: The file cannot be read.
    """
    if isinstance(error, OSError):
        with open_source(source) as file, reading(source):
            while file.read(_CHUNK):
                pass


class GuardedFile:
    """The file of a source as FFmpeg reads it.

    FFmpeg takes an error for the end of the file, or for damage, and goes on. So the
    first error is raised again at every later call, as a ``StorageError``, which unlike
    errors of FFmpeg is never a ``ValueError``.

    Args:
        file: The file.
        label: What errors call it.
        name: The name that FFmpeg sees, which looks at the extension.
    """

    def __init__(self, file: BinaryIO, label: str, name: str) -> None:
        self.name = name
        self._file = file
        self._label = label
        self._failure: StorageError | None = None

    def read(self, size: int = -1) -> bytes:
        """As of any file."""
        data: bytes = self._try(self._file.read, size)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> Any:
        """As of any file."""
        return self._try(self._file.seek, offset, whence)

    def tell(self) -> Any:
        """As of any file."""
        return self._try(self._file.tell)

    def close(self) -> None:
        """As of any file."""
        self._file.close()

    def _try(self, call: Callable[..., Any], *args: int) -> Any:
        if self._failure is not None:
            raise self._failure
        try:
            return call(*args)
        # Through FFmpeg nothing gets but an Exception: see raise_interrupt.
        except BaseException as error:
            message = f"{self._label} cannot be read: {str(error) or repr(error)}"
            self._failure = StorageError(message)
            raise self._failure from error


def raise_interrupt(error: BaseException | None) -> None:
    """Raises the interrupt that went through FFmpeg as a ``StorageError``, if any.

    Args:
        error: What reading through FFmpeg raised; None if it raised nothing.
    """
    cause = error.__cause__ if isinstance(error, StorageError) else None
    if cause is not None and not isinstance(cause, Exception):
        raise cause from None


def fingerprint(source: VideoSource, kind: str = "video") -> str:
    """A digest of a file's size and of pieces of its content.

    It reads at most 152 KiB, so it is cheap on a file of any size; a copy has the
    fingerprint of its original. Of an object at a URL it is remembered for as long as
    the service says that the object is the same. A callable that checks what it opens
    may have it as an attribute ``fingerprint``.

    Args:
        source: The file.
        kind: What errors call it.

    Returns:
        40 hexadecimal digits.

    Raises:
        VideoError: The file is missing or empty.
        StorageError: It cannot be read now.
    """
    given = getattr(source, "fingerprint", None)
    if isinstance(given, str):
        return given
    with open_source(source, kind) as file, reading(source):
        version = file.version if isinstance(file, ObjectFile) else ""
        known = (file.name, version) if version else None
        if known in _digests:
            return _digests[known]
        if file.seek(0, os.SEEK_END) == 0:
            raise VideoError(f"{kind} {source_name(source)!r} is empty (0 bytes)")
        digest = sampled_digest(file, _pieces)
    if known is not None:
        if len(_digests) >= _KNOWN_DIGESTS:
            _digests.clear()
        _digests[known] = digest
    return digest


def _pieces(size: int) -> list[tuple[int, int]]:
    if size <= 2 * _HEAD + _SAMPLES * _SAMPLE:
        return [(0, size)]
    step = (size - 2 * _HEAD) // (_SAMPLES + 1)
    middle = [(_HEAD + i * step, _SAMPLE) for i in range(1, _SAMPLES + 1)]
    return [(0, _HEAD), *middle, (size - _HEAD, _HEAD)]
