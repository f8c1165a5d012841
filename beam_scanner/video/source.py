"""Where a video's bytes come from: a path, a URL, or a callable that opens them.

``gs://`` and ``s3://`` URLs are read by ranges near what is decoded. A callable takes
nothing and returns a new, readable and seekable binary file each time, so that a
decoder can open the same video again.

Bytes that cannot be had now are a ``StorageError``: they say nothing about the video.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from beam_scanner.errors import ScannerException, StorageError, VideoError
from beam_scanner.stores import open_file
from beam_scanner.stores.object_file import ObjectFile
from beam_scanner.stores.regular_files import NoFileError
from beam_scanner.stores.sampled_digest import file_size, reader_of, sampled_digest
from beam_scanner.types.media_limits import check_picture, max_pixels
from beam_scanner.video.container_formats import FORMAT_WHITELIST
from beam_scanner.video.diagnosis import diagnose

VideoSource = str | os.PathLike[str] | Callable[[], BinaryIO]

_HEAD = 64 * 1024
_SAMPLE = 4 * 1024
_SAMPLES = 6
_CHUNK = 1 << 20
_MAX_STREAMS = 1000

# Pictures that only their extension tells. FFmpeg would read one as it reads many, by
# name, unless told that it comes through a pipe.
_UNMARKED_PICTURES = frozenset({".ljpg", ".pam", ".tga", ".wbmp", ".xface"})
# Sizes of RIFF chunks from here on mean that nobody knew.
_UNKNOWN_SIZE = 0xFFFFFF00
# What stands behind the last box of an MP4 may look like another.
_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx")

# By URL and version, so that each decoder that opens an object need not read it.
_digests: dict[tuple[str, str], str] = {}
_KNOWN_DIGESTS = 4096


def source_name(source: VideoSource) -> str:
    """What error messages call a source.

    Example:
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
    # Files of the kernel's say this too, and cannot tell more.
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
    """Raises a ``StorageError`` if it is the disk that FFmpeg's error tells of.

    FFmpeg says the same of files that are damaged, so the file is read once.

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
    first one is repeated for ever, as a ``StorageError``, which is no ``ValueError``
    as errors of FFmpeg may be.

    Args:
        file: The file.
        label: What errors call it.
        name: What FFmpeg is told, which looks at the extension.
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
    known = getattr(source, "fingerprint", None)
    if isinstance(known, str):
        return known
    with open_source(source, kind) as file, reading(source):
        if isinstance(file, ObjectFile):
            return _object_digest(file, kind)
        return _digest(
            f"{kind} {source_name(source)!r}", file_size(file), reader_of(file)
        )


def _object_digest(file: ObjectFile, kind: str) -> str:
    known = file.name, file.version
    if known not in _digests:
        if len(_digests) >= _KNOWN_DIGESTS:
            _digests.clear()
        _digests[known] = _digest(f"{kind} {file.name!r}", file.size, file.fetch)
    return _digests[known]


def _digest(what: str, size: int, read: Callable[[int, int], bytes]) -> str:
    if size == 0:
        raise VideoError(f"{what} is empty (0 bytes)")
    return sampled_digest(size, _pieces, read)


def _pieces(size: int) -> list[tuple[int, int]]:
    if size <= 2 * _HEAD + _SAMPLES * _SAMPLE:
        return [(0, size)]
    step = (size - 2 * _HEAD) // (_SAMPLES + 1)
    middle = [(_HEAD + i * step, _SAMPLE) for i in range(1, _SAMPLES + 1)]
    return [(0, _HEAD), *middle, (size - _HEAD, _HEAD)]


def cut_short(file: BinaryIO) -> str | None:
    r"""Says how a file is shorter than its own structure, if it is.

    MP4 and MOV boxes, the Matroska segment and the RIFF chunk of AVI give their
    lengths; other containers do not, and then nothing is said.

    Args:
        file: Seekable; its position is moved.

    Returns:
        A clause for an error message, or None.

    Example:
        >>> import io
        >>> cut_short(io.BytesIO(b'\0\0\0\x10ftypisom'))
        "box 'ftyp' should end at byte 16, the file ends at byte 12"
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(64)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"styp", b"wide", b"free", b"skip"):
        return _mp4_cut_short(file, size)
    if head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        # What is written to a pipe has no size to tell.
        known = 0 < length < _UNKNOWN_SIZE
        return _overrun("RIFF chunk", 8 + length, size) if known else None
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska_cut_short(head, size)
    return None


def _overrun(what: str, end: int, size: int) -> str | None:
    if end <= size:
        return None
    return f"{what} should end at byte {end}, the file ends at byte {size}"


def _mp4_cut_short(file: BinaryIO, size: int) -> str | None:
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # to the end of the file
            return None
        if length < 8:
            return None
        if start + length > size:
            if kind not in _BOXES:
                return None  # bytes after the last box are allowed to be anything
            return _overrun(f"box {kind.decode()!r}", start + length, size)
        start += length
    return None


def _matroska_cut_short(head: bytes, size: int) -> str | None:
    length, used = _ebml_size(head[4:])
    start = 4 + used + (length or 0)
    if length is None or head[start : start + 4] != b"\x18\x53\x80\x67":
        return None
    length, used = _ebml_size(head[start + 4 :])
    if length is None:
        return None
    return _overrun("segment", start + 4 + used + length, size)


def _ebml_size(data: bytes) -> tuple[int | None, int]:
    """(value, or None where the size is unknown; bytes used)."""
    if not data or data[0] == 0:
        return None, 1
    used = 9 - data[0].bit_length()
    value = int.from_bytes(data[:used], "big") & ((1 << 7 * used) - 1)
    return (None if value == (1 << 7 * used) - 1 else value), used


def open_container(source: VideoSource, kind: str = "video") -> tuple[Any, BinaryIO]:
    """Opens one file with FFmpeg, and nothing but that file.

    FFmpeg is given bytes, never a name that it could open: names such as
    ``concat:a|b``, ``http://host/a`` or ``p%d.png`` mean something to it. It opens no
    protocol, and only formats that hold all that they show.

    Args:
        source: The file.
        kind: What errors call it: 'video' or 'audio'.

    Returns:
        ``av.container.InputContainer``, and the file, to be closed after it.

    Raises:
        VideoError: It is missing, or no video or sound in one file.
        StorageError: It cannot be read now.
    """
    import av

    name, most = source_name(source), str(max_pixels())
    file = open_source(source, kind)
    extension = _extension(name)
    try:
        container: Any = av.open(
            # Where the content leaves a choice, FFmpeg looks at the extension.
            GuardedFile(file, f"{kind} {name!r}", f"file{extension}"),
            format="image2pipe" if extension in _UNMARKED_PICTURES else None,
            options={
                "format_whitelist": FORMAT_WHITELIST,
                "protocol_whitelist": "none",
                "max_streams": str(_MAX_STREAMS),
                "max_pixels": most,
            },
            # Titles are in any encoding.
            metadata_errors="replace",
        )
    except StorageError as error:
        file.close()
        raise_interrupt(error)
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        file.close()
        check_readable(source, error)
        reason = why_unreadable(source)
        raise VideoError(
            f"{kind} {name!r} is not a file that FFmpeg can read "
            f"({getattr(error, 'strerror', None) or error})"
            + (f"; {reason}" if reason else "")
        ) from error
    return container, file


def _extension(name: str) -> str:
    """An extension in which FFmpeg can see no pattern.

    Example:
        >>> _extension('a.MP4'), _extension('a.%d'), _extension('http://x/y')
        ('.mp4', '', '')
    """
    extension = os.path.splitext(name)[1].lower()
    return extension if re.fullmatch(r"\.[a-z0-9_]{1,12}", extension) else ""


class OpenVideo:
    """A video opened with FFmpeg: its best video stream, all others skipped.

    Decoding uses one thread until told otherwise. Use it as a context manager.

    Attributes:
        container: ``av.container.InputContainer``.
        stream: ``av.video.stream.VideoStream``.

    Args:
        source: The file.
        strict: Whether any sign of damage is to be an error in decoding.

    Raises:
        VideoError: Missing, not a video, or without pictures.
        StorageError: It cannot be read now. So does reading packets.
    """

    def __init__(self, source: VideoSource, strict: bool = True) -> None:
        name = source_name(source)
        self.container, self._file = open_container(source)
        try:
            self.stream: Any = self._best_stream(name)
        except VideoError as error:
            self.close()
            reason = why_unreadable(source)
            if reason:
                raise VideoError(f"{error}; {reason}") from None
            raise
        self.stream.codec_context.thread_count = 1
        options = {"max_pixels": str(max_pixels())}
        if strict:
            # Else decoders paint over damage and say nothing that we could see.
            options["err_detect"] = "explode"
        self.stream.codec_context.options = options

    def _best_stream(self, name: str) -> Any:
        import av

        stream = self.container.streams.best("video")
        if stream is None:
            raise VideoError(f"file {name!r} has no video stream")
        if stream.disposition & av.stream.Disposition.attached_pic:
            raise VideoError(f"file {name!r} has only a cover picture, no video stream")
        if stream.codec_context is None:
            raise VideoError(f"video {name!r} has a codec that FFmpeg does not know")
        context = stream.codec_context
        check_picture(f"video {name!r}", context.width, context.height)
        for other in self.container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        return stream

    def packets(self) -> Iterator[Any]:
        """Packets from where the file is, then None.

        Those of no bytes say nothing, and a decoder would take them for the end.
        """
        for packet in self.container.demux(self.stream):
            if packet.size:
                yield packet
        yield None

    def close(self) -> None:
        """Closes the file; harmless when repeated."""
        self.container.close()
        self._file.close()

    def __enter__(self) -> OpenVideo:
        return self

    def __exit__(
        self, _kind: object, error: BaseException | None, _traceback: object
    ) -> None:
        self.close()
        raise_interrupt(error)


def why_unreadable(source: VideoSource) -> str:
    """What is wrong with a file in which no video was found; '' if that is unknown."""
    with open_source(source) as file, reading(source):
        short = cut_short(file)
        return f"it is cut short: {short}" if short else diagnose(file)
