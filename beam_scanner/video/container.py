"""A file opened with FFmpeg, and nothing but that file."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Self

import av

from beam_scanner.errors import StorageError, VideoError
from beam_scanner.types.media_limits import check_picture, max_pixels
from beam_scanner.video.container_formats import FORMAT_WHITELIST
from beam_scanner.video.diagnosis import diagnose
from beam_scanner.video.source import (
    GuardedFile,
    VideoSource,
    check_readable,
    open_source,
    raise_interrupt,
    reading,
    source_name,
)
from beam_scanner.video.truncation import cut_short

_MAX_STREAMS = 1000
# Formats of pictures that only the extension shows. FFmpeg would take one for the first
# of a numbered sequence, unless the format says that it comes through a pipe.
_UNMARKED_PICTURES = frozenset({".ljpg", ".pam", ".tga", ".wbmp", ".xface"})


def open_container(
    source: VideoSource, kind: str = "video", accelerator: Any = None
) -> tuple[Any, BinaryIO]:
    """Opens one file with FFmpeg, and nothing but that file.

    FFmpeg is given bytes, never a name that it could open: names such as
    ``concat:a|b``, ``http://host/a`` or ``p%d.png`` mean something to it. It opens no
    protocol, and only formats that hold all that they show.

    Args:
        source: The file.
        kind: What errors call it: 'video' or 'audio'.
        accelerator: ``av.codec.hwaccel.HWAccel`` of a device that is to decode it.

    Returns:
        ``av.container.InputContainer``, and the file, to be closed after it.

    Raises:
        VideoError: It is missing, or no video or sound in one file.
        StorageError: It cannot be read now.
    """
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
            hwaccel=accelerator,
        )
    except StorageError as error:
        file.close()
        raise_interrupt(error)
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        file.close()
        check_readable(source, error)
        if getattr(error, "errno", None) == errno.ENOMEM:
            # The same error, whichever it is.
            reason = f"it has more than {_MAX_STREAMS} tracks, or memory has run out"
        else:
            reason = why_unreadable(source)
        raise VideoError(
            f"{kind} {name!r} is not a file that FFmpeg can read "
            f"({getattr(error, 'strerror', None) or error})"
            + (f"; {reason}" if reason else "")
        ) from error
    return container, file


def _extension(name: str) -> str:
    """An extension in which FFmpeg can see no pattern.

    Examples:
        >>> _extension('a.MP4'), _extension('a.%d'), _extension('http://x/y')
        ('.mp4', '', '')
    """
    extension = os.path.splitext(name)[1].lower()
    return extension if re.fullmatch(r"\.[a-z0-9_]{1,12}", extension) else ""


class OpenMedia:
    """A file opened with FFmpeg, of which one stream is read. A context manager.

    Attributes:
        container: ``av.container.InputContainer``.
        stream: The stream: ``av.stream.Stream``.
    """

    stream: Any

    def __init__(self, source: VideoSource, kind: str, accelerator: Any = None) -> None:
        self.container, self._file = open_container(source, kind, accelerator)

    def _read_only(self, stream: Any) -> None:
        """Skips all other streams; decodes with one thread."""
        stream.codec_context.thread_count = 1
        for other in self.container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all

    def close(self) -> None:
        """Closes the file; harmless when repeated."""
        self.container.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: object, error: BaseException | None, _traceback: object
    ) -> None:
        self.close()
        raise_interrupt(error)


class OpenVideo(OpenMedia):
    """A video opened with FFmpeg: its best video stream, all others skipped.

    Decoding uses one thread by default. Use it as a context manager.

    Args:
        source: The file.
        strict: Whether any sign of damage is to be an error in decoding.
        accelerator: ``av.codec.hwaccel.HWAccel`` of a device that is to decode it.

    Attributes:
        context: What decodes its packets: ``av.CodecContext``.

    Raises:
        VideoError: Missing, not a video, or without pictures.
        StorageError: It cannot be read now. So does reading packets.
    """

    context: Any

    def __init__(
        self, source: VideoSource, strict: bool = True, accelerator: Any = None
    ) -> None:
        name = source_name(source)
        super().__init__(source, "video", accelerator)
        try:
            self.stream = self._best_stream(name)
        except VideoError as error:
            self.close()
            reason = why_unreadable(source)
            if reason:
                raise VideoError(f"{error}; {reason}") from None
            raise
        options = {"max_pixels": str(max_pixels())}
        if strict:
            # Else decoders paint over damage and say nothing that we could see.
            options["err_detect"] = "explode"
        self.context = self.stream.codec_context
        self.context.options = options

    def _best_stream(self, name: str) -> Any:
        stream = self.container.streams.best("video")
        if stream is None:
            raise VideoError(f"file {name!r} has no video stream")
        if stream.disposition & av.stream.Disposition.attached_pic:
            raise VideoError(f"file {name!r} has only a cover picture, no video stream")
        if stream.codec_context is None:
            raise VideoError(f"video {name!r} has a codec that FFmpeg does not know")
        context = stream.codec_context
        check_picture(f"video {name!r}", context.width, context.height)
        self._read_only(stream)
        return stream

    def seek(self, offset: int, **how: Any) -> None:
        """As of ``av.container.InputContainer``; what is decoded begins anew."""
        self.container.seek(offset, stream=self.stream, **how)
        if self.context is not self.stream.codec_context:
            self.context.flush_buffers()

    def packets(self) -> Iterator[Any]:
        """Packets from where the file is, then None.

        Those of no bytes say nothing, and a decoder would take them for the end.
        """
        for packet in self.container.demux(self.stream):
            if packet.size:
                yield packet
        yield None


def why_unreadable(source: VideoSource) -> str:
    """Why a file has no video that can be read; '' if that is unknown."""
    with open_source(source) as file, reading(source):
        short = cut_short(file)
        return f"it is cut short: {short}" if short else diagnose(file)
