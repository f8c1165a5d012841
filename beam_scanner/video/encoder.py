"""Writes frames to an MP4 that players open and that reads back as one stream.

Lossy codecs store 4:2:0 pictures of BT.601 matrix; 'lossless' is H.264 in RGB,
bit-exact for every size. Each encoder works with one thread, since the number
of threads changes the result, and files hold neither dates nor host names: equal
frames give equal bytes on any machine with the same libraries.
"""

from __future__ import annotations

import os
import tempfile
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from math import isnan
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, ElementTypeError, VideoError
from beam_scanner.measure.spans import part
from beam_scanner.video.display import UNSPECIFIED, Display
from beam_scanner.video.encoding import Encoding as Encoding
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.thread_scheduling import kept_scheduling
from beam_scanner.video.timing import (
    TICKS,
    TIME_BASE,
    decoding_ticks,
    interval_seconds,
    presentation_ticks,
)

_ENCODERS = {
    "default": "libx264",
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "lossless": "libx264rgb",
}
_KEYFRAME_DISTANCE = 120
_NOMINAL_RATE = Fraction(25)
# The trees of libx264 and libx265, as written for AVX, work on so many blocks of 16
# pixels at a time, and on memory that is not theirs where the width is no multiple of
# them: equal frames would give different files, and frames of up to 48 pixels end the
# process, in libx265.
_TREE_BLOCKS = 8
# libx265 refuses tiny frames, and is not deterministic for those it just takes;
# libsvtav1 refuses them too, and below the second number a bitrate.
_HEVC_SMALLEST = 32
_AV1_SMALLEST, _AV1_SMALLEST_RATE = 3, 63
_SPOOL_BYTES = 16 * 1024 * 1024
_BT601_MATRIX = 6
_LIMITED_RANGE = 1


class VideoEncoder:
    """Encodes frames, row by row, into one MP4 file.

    The file appears at :meth:`close`; until then compressed packets wait in memory
    or, past 16 MiB, in an unnamed temporary file beside it. As a context manager it
    closes, or aborts after an exception.

    Args:
        path: Where to write; an existing file is replaced.
        encoding: How.
        display: How frames are to be shown, which the file then says.

    Attributes:
        rows: Frames written so far.
        index: Index of the file, after :meth:`close`.
        end_seconds: When the last frame ends; nan for one as long as most others are.

    Examples:
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> with VideoEncoder(path, Encoding('lossless')) as encoder:
        ...     for i in range(3):
        ...         encoder.write(np.full((5, 7, 3), i, np.uint8), i / 10)
        >>> (encoder.index.width, encoder.index.height), encoder.index.seconds([2])
        ((7, 5), array([0.2]))
    """

    index: FrameIndex

    def __init__(
        self,
        path: str | os.PathLike[str],
        encoding: Encoding | None = None,
        display: Display | None = None,
    ) -> None:
        self.rows = 0
        self.end_seconds = float("nan")
        self._path = os.fspath(path)
        self._encoding = encoding or Encoding()
        self._display = display or Display()
        self._shape: tuple[int, ...] | None = None
        # A file that FFmpeg opened itself would stay open after a failed write.
        self._file: BinaryIO | None = None
        self._container: Any = None
        self._stream: Any = None
        # The first frame waits for the second: the rate follows from their times.
        self._waiting: NDArray[np.uint8] | None = None
        self._seconds = array("d")
        self._ranks, self._sizes = array("q"), array("q")
        self._keys = array("b")
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by close
            max_size=_SPOOL_BYTES, dir=os.path.dirname(self._path) or "."
        )

    def __enter__(self) -> VideoEncoder:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, frame: NDArray[np.uint8], seconds: float = float("nan")) -> None:
        """Adds a frame.

        Args:
            frame: uint8[height, width, 3], RGB; not kept, need not be contiguous.
            seconds: Its presentation time; nan where unknown.

        Raises:
            ElementTypeError: Not such an array.
            VideoError: Of another size than the frames before, or the encoder fails.
        """
        _check_frame(frame, self.rows)
        if self._shape is None:
            self._shape = frame.shape
        elif frame.shape != self._shape:
            raise VideoError(
                f"frame {self.rows} of {self._path!r} is {_size(frame.shape)}, those "
                f"before are {_size(self._shape)}: one video has one size"
            )
        self._seconds.append(seconds)
        self.rows += 1
        if self.rows == 1:
            self._waiting = frame.copy()
            return
        with part("encode"):
            self._begin()
            self._encode(frame, self.rows - 1)

    def _begin(self) -> None:
        """Opens the encoder and gives it the first frame."""
        if self._waiting is None:
            return
        first, self._waiting = self._waiting, None
        rate = _NOMINAL_RATE
        if self._encoding.bitrate != -1:
            step = interval_seconds(np.array(self._seconds, dtype=np.float64))
            step = min(max(step, 1e-3), 1.0)
            rate = Fraction(1 / step).limit_denominator(1001)
        height, width = first.shape[:2]
        self._file = open(self._path, "wb")  # noqa: SIM115 - closed by close
        self._container, self._stream = open_output(
            self._file, self._encoding, width, height, rate, self._display
        )
        self._encode(first, 0)

    def _encode(self, pixels: NDArray[np.uint8], row: int) -> None:
        import av

        frame = to_video_frame(pixels, self._encoding)
        frame.pts, frame.time_base = row, self._stream.codec_context.time_base
        try:
            self._keep(self._stream.encode(frame))
        except av.error.FFmpegError as error:
            raise VideoError(
                f"frame {row} of {self._path!r} cannot be encoded: {error}"
            ) from error

    def _keep(self, packets: list[Any]) -> None:
        for packet in packets:
            self._spool.write(bytes(packet))
            self._sizes.append(packet.size)
            self._ranks.append(packet.pts)
            self._keys.append(packet.is_keyframe)

    def close(self) -> FrameIndex:
        """Writes the file and indexes it.

        Returns:
            Its index; the same again when repeated.

        Raises:
            VideoError: No frame was written, or the encoder fails.
            OSError: The file cannot be written, such as on a full disk.
        """
        if hasattr(self, "index"):
            return self.index
        if self.rows == 0:
            self.abort()
            raise VideoError(f"no frame was written to {self._path!r}")
        try:
            with part("encode"):
                self._begin()
                self._keep(self._stream.encode(None))
            self._write_file()
        except BaseException:
            self.abort()
            raise
        self._spool.close()
        self.index = index_video(self._path)
        return self.index

    def _write_file(self) -> None:
        ticks = presentation_ticks(np.array(self._seconds, dtype=np.float64))
        ranks = np.array(self._ranks, dtype=np.int64)
        self._stream.time_base = TIME_BASE
        self._spool.seek(0)
        packets = (
            (self._spool.read(size), bool(key))
            for size, key in zip(self._sizes, self._keys, strict=True)
        )
        end = None if isnan(self.end_seconds) else round(self.end_seconds * TICKS)
        mux(self._container, self._stream, packets, ticks, ranks, end)
        # An encoder holds frames, some megabytes of them.
        self._container = self._stream = None
        assert self._file is not None
        self._file.close()

    def abort(self) -> None:
        """Drops everything; no file is left."""
        self._spool.close()
        self._container = self._stream = None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
            with suppress(FileNotFoundError):
                os.remove(self._path)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _check_frame(frame: Any, row: int) -> None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        found = getattr(frame, "dtype", type(frame).__name__)
        raise ElementTypeError(f"frame {row} is {found}, expected an array of uint8")
    if frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ElementTypeError(
            f"frame {row} has shape {frame.shape}, expected (height, width, 3)"
        )


def open_output(
    file: BinaryIO,
    encoding: Encoding,
    width: int,
    height: int,
    rate: Fraction,
    display: Display | None = None,
) -> tuple[Any, Any]:
    """An MP4 to be written and its video stream, whose encoder is set up.

    Args:
        file: Where to write; stays open.
        encoding: How.
        width: Of the frames that will come; lossy codecs store it padded to even.
        height: As ``width``.
        rate: Frames a second, for the encoder's rate control.
        display: How frames are to be shown.

    Returns:
        ``(av.container.OutputContainer, av.video.stream.VideoStream)``.

    Raises:
        VideoError: The codec does not take frames of that size.
        ArgumentError: This build of FFmpeg lacks the encoder.
    """
    import av

    from beam_scanner.video.index_assembly import SIZE_TAG

    smallest = _smallest(encoding)
    if min(width, height) < smallest:
        clause = " with a bitrate" if smallest == _AV1_SMALLEST_RATE else ""
        raise VideoError(
            f"codec {encoding.codec!r}{clause} takes frames of at least "
            f"{smallest}x{smallest}, not {width}x{height}: use 'h264' or 'lossless'"
        )
    even = width + width % 2, height + height % 2
    padded = not encoding.lossless and even != (width, height)
    # Edit lists count in the movie's time scale, whose default is a millisecond.
    container_options = {"fflags": "+bitexact", "movie_timescale": str(TICKS)}
    if padded:
        container_options["movflags"] = "use_metadata_tags"
    container = av.open(file, "w", format="mp4", container_options=container_options)
    if padded:
        container.metadata[SIZE_TAG] = f"{width}x{height}"
    name = _ENCODERS[encoding.codec]
    if name not in av.codecs_available:
        raise ArgumentError(
            f"codec {encoding.codec!r} needs FFmpeg's encoder {name}, which this "
            "build of PyAV lacks"
        )
    stream: Any = container.add_stream(name, rate=rate)
    context = stream.codec_context
    context.width, context.height = even if padded else (width, height)
    context.pix_fmt = "rgb24" if encoding.lossless else "yuv420p"
    context.time_base = 1 / rate
    context.thread_count = 1
    distance = encoding.keyframe_distance
    context.gop_size = _KEYFRAME_DISTANCE if distance == -1 else distance
    if not encoding.lossless:
        context.colorspace, context.color_range = _BT601_MATRIX, _LIMITED_RANGE
    _say_display(context, display.of_size(width, height) if display else Display())
    if encoding.bitrate != -1:
        context.bit_rate = encoding.bitrate
    context.options = _options(encoding, context.width, context.gop_size)
    if encoding.codec == "hevc":
        context.codec_tag = "hvc1"  # the only tag that Apple's players take
    elif encoding.codec == "av1":
        try:
            with kept_scheduling(), _silent_svt():
                context.open()
        except av.error.FFmpegError as error:
            raise VideoError(
                f"codec 'av1' does not take frames of {width}x{height}: {error}"
            ) from error
    return container, stream


_svt_lock = threading.Lock()


@contextmanager
def _silent_svt() -> Iterator[None]:
    """Keeps SVT-AV1 from telling about itself on stderr, for each encoder opened."""
    with _svt_lock:
        if "SVT_LOG" in os.environ:
            yield
            return
        os.environ["SVT_LOG"] = "1"
        try:
            yield
        finally:
            del os.environ["SVT_LOG"]


def _say_display(context: Any, display: Display) -> None:
    if display.sample_aspect_ratio != 1:
        context.sample_aspect_ratio = display.sample_aspect_ratio
    if display.primaries != UNSPECIFIED:
        context.color_primaries = display.primaries
    if display.transfer != UNSPECIFIED:
        context.color_trc = display.transfer


def _smallest(encoding: Encoding) -> int:
    """The least width and height that a codec takes."""
    if encoding.codec == "hevc":
        return _HEVC_SMALLEST
    if encoding.codec == "av1":
        return _AV1_SMALLEST if encoding.bitrate == -1 else _AV1_SMALLEST_RATE
    return 1


def _options(encoding: Encoding, width: int, distance: int) -> dict[str, str]:
    if encoding.lossless:
        return {"crf": "0", "preset": "veryfast"}
    options = {} if encoding.quality == -1 else {"crf": str(encoding.quality)}
    tree = -(-width // 16) % _TREE_BLOCKS == 0
    if _ENCODERS[encoding.codec] == "libx264" and not tree:
        options["x264-params"] = "mbtree=0"
    elif encoding.codec == "hevc":
        options["x265-params"] = (
            f"log-level=none:pools=none:frame-threads=1:open-gop=0:info=0:"
            f"keyint={distance}:cutree={int(tree)}"
        )
    elif encoding.codec == "vp9":
        options |= {"deadline": "good", "cpu-used": "4"}
        if encoding.bitrate == -1:
            options.setdefault("crf", "32")
            options["b"] = "0"
    elif encoding.codec == "av1":
        options |= {"preset": "8", "svtav1-params": "lp=1"}
    return options


def to_video_frame(pixels: NDArray[np.uint8], encoding: Encoding) -> Any:
    """``av.VideoFrame`` of an array, in the encoding's pixel format, padded to even."""
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace

    if encoding.lossless:
        return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return frame.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )


def mux(
    container: Any,
    stream: Any,
    packets: Iterator[tuple[bytes, bool]],
    ticks: NDArray[np.int64],
    ranks: NDArray[np.int64],
    end: int | None = None,
) -> None:
    """Writes compressed packets with their times, and closes the container.

    Args:
        container: Open for writing.
        stream: Its video stream, of time base :data:`TIME_BASE`.
        packets: (data, whether it is a keyframe), in decoding order.
        ticks: int64[n], ascending times by row.
        ranks: int64[n], the row of each packet.
        end: When the last row ends; None for one as long as most others are.
    """
    import av

    decoded = decoding_ticks(ticks, ranks)
    step = int(np.median(np.diff(ticks))) if len(ticks) > 1 else 0
    last = int(ticks[-1])
    if end is None or end <= last:
        end = last + (step or round(1 / 25 / TIME_BASE))
    ends = np.append(ticks[1:], end)
    for (data, key), rank, dts in zip(packets, ranks, decoded, strict=True):
        packet = av.Packet(data)
        packet.stream = stream
        packet.time_base = TIME_BASE
        packet.pts, packet.dts = int(ticks[rank]), int(dts)
        packet.duration = int(ends[rank] - ticks[rank])
        packet.is_keyframe = key
        container.mux_one(packet)
    container.close()
