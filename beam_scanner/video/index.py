"""The frame index: for each row of a video, its time and where decoding starts.

Row ``i`` is the ``i``-th frame, in presentation order, of FFmpeg's linear decode of
the best video stream. An index is a few arrays of integers; the pixels stay in the
file. Planning needs only the index, decoding checks every frame against it.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.rows.row_numbers import check_rows
from beam_scanner.video.display import UNSPECIFIED, Display

Int64Array = NDArray[np.int64]

NO_PTS = np.iinfo(np.int64).min
"""Stands for a time that the file does not give."""

_MAGIC = b"BSFRAMES"
_VERSION = 3
_UNCHECKED = 2
"""A version without a checksum, which is read as it is."""
_ARRAYS = (
    *("pts", "keyframes", "seek_pts", "seek_dts", "seek_pos", "gop_bytes"),
    *("lost", "keyframe_packets"),
)
_NONE: Int64Array = np.zeros(0, dtype=np.int64)
_NONE.setflags(write=False)
_TOLD_STRETCHES = 4
_LARGEST = 1 << 20
_MOST_VALUES = 1 << 40


def check_damage(damage: str) -> str:
    """Refuses an unknown policy for damaged videos.

    ``'strict'``: a video with rows that cannot be decoded is an error that names them.
    ``'salvage'``: all of it is decoded once, and rows that cannot be decoded are null.

    Raises:
        ArgumentError: It is neither.

    Examples:
        >>> check_damage('salvage')
        'salvage'
    """
    if damage not in ("strict", "salvage"):
        raise ArgumentError(f"damage must be 'strict' or 'salvage', got {damage!r}")
    return damage


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The rows of a video, their times, and where decoding may start.

    Attributes:
        pts: int64[n], presentation time of each row in ``time_base`` units.
        time_base: Seconds per unit of ``pts``.
        keyframes: int64[k], rows at which decoding may start, ``keyframes[0] == 0``.
        seek_pts: int64[k], presentation time of each keyframe's first packet, or
            :data:`NO_PTS`.
        seek_dts: int64[k], its decoding time, or :data:`NO_PTS`.
        seek_pos: int64[k], its byte position in the file, -1 where unknown.
        gop_bytes: int64[k], bytes of the packets from this keyframe to the next.
        width: Pixels of a row as shown, after rotation.
        height: Pixels of a row as shown, after rotation.
        rotation: Degrees that a decoded picture is turned counterclockwise: 0, 90,
            180 or 270.
        sample_aspect_ratio: Width of a pixel over its height; pixels are never
            stretched, this is for display.
        codec: FFmpeg's name of the codec: 'h264', 'hevc', 'vp9', ...
        pix_fmt: FFmpeg's name of the coded pixel format.
        average_rate: Frames a second, on average; None where unknown.
        stream_index: Which stream of the container.
        duration_seconds: From the first row's time to the end of the last; where the
            clock goes back, the steps that do not are added up.
        fingerprint: :func:`beam_scanner.video.source.fingerprint` of the file.
        seekable: False where no seek can be trusted: then ``keyframes == [0]``, but for
            starts behind damage, to which the file is read from its beginning.
        timed: Whether each frame comes with the time of its row. Else ``pts`` has the
            times of all frames, in order; where there are none, it follows from the
            average rate.
        keyframe_packets: int64[k], the number of each keyframe's packet in the file, where
            times cannot tell keyframes apart; else empty.
        setups: What a decoder must be given besides the packets from a keyframe on:
            (first keyframe of which it holds, kind, bytes in base64).
        messages: Whether decoders are given the supplemental messages of H.264 and
            HEVC; False where some are malformed and hinder decoding.
        open_gop: Whether some keyframe is an H.264 recovery point, not an IDR picture.
            Decoders cannot be strict about missing references then.
        crop: (width, height) to which coded pictures are cut, before rotation; None
            where they are shown whole.
        mirrored: Whether a decoded picture is flipped left to right, before it is
            turned.
        interpolated: Whether colours are interpolated between their samples, which
            lie at the top or bottom of 4:2:0 pixels.
        lost: int64[2m], ascending: rows ``[lost[0], lost[1])``, ``[lost[2], lost[3])``,
            ... cannot be decoded. Empty in all videos but salvaged ones.
        verified: Whether every frame was decoded to make this index.
        strict: Whether decoders are to take any oddity for an error; False where
            they find one in what has no pixels.
        primaries: See :class:`beam_scanner.video.display.Display`.
        transfer: Likewise.
        damage: The damage of the file, one short text each.

    Examples:
        >>> import tempfile, os
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> from beam_scanner.video.indexing import index_video
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> with VideoEncoder(path, Encoding(keyframe_distance=10)) as encoder:
        ...     for i in range(25):
        ...         encoder.write(np.zeros((16, 16, 3), np.uint8), i / 25)
        >>> index = index_video(path)
        >>> len(index), index.keyframes.tolist(), index.codec
        (25, [0, 10, 20], 'h264')
        >>> index.seconds([0, 5]).tolist()
        [0.0, 0.2]
    """

    pts: Int64Array
    time_base: Fraction
    keyframes: Int64Array
    seek_pts: Int64Array
    seek_dts: Int64Array
    seek_pos: Int64Array
    gop_bytes: Int64Array
    width: int
    height: int
    rotation: int
    sample_aspect_ratio: Fraction
    codec: str
    pix_fmt: str
    average_rate: Fraction | None
    stream_index: int
    duration_seconds: float
    fingerprint: str
    seekable: bool = True
    timed: bool = True
    open_gop: bool = False
    crop: tuple[int, int] | None = None
    mirrored: bool = False
    interpolated: bool = False
    lost: Int64Array = field(default_factory=lambda: _NONE)
    keyframe_packets: Int64Array = field(default_factory=lambda: _NONE)
    setups: tuple[tuple[int, str, str], ...] = ()
    messages: bool = True
    strict: bool = True
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    verified: bool = False
    damage: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pts)

    @cached_property
    def monotonic(self) -> bool:
        """Whether each row's time is later than that of the row before.

        In joined files the clock may start again: then it is not, and the times are
        as the file has them.
        """
        return bool((np.diff(self.pts) > 0).all())

    @property
    def display(self) -> Display:
        """How its rows are to be shown."""
        aspect, size = self.sample_aspect_ratio, (self.width, self.height)
        return Display(aspect, self.primaries, self.transfer, *size)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded row."""
        return self.width * self.height * 3

    def seconds(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Presentation times, by the container's own clock.

        Args:
            rows: Row numbers, any order, duplicates allowed.

        Returns:
            float64[n], seconds.

        Raises:
            RowError: A row is negative or past the end.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        check_rows(chosen, len(self), "not in a video")
        ticks = self.pts[chosen].astype(np.float64)
        return ticks * self.time_base.numerator / self.time_base.denominator

    def is_lost(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Which of these rows cannot be decoded; bool of the shape of ``rows``."""
        inside = np.searchsorted(self.lost, np.asarray(rows, np.int64), side="right")
        found: NDArray[np.bool_] = inside % 2 == 1
        return found

    @property
    def lost_rows(self) -> Int64Array:
        """int64[k], ascending: all rows that cannot be decoded."""
        stretches = [np.arange(a, b) for a, b in self.lost.reshape(-1, 2).tolist()]
        return np.concatenate([_NONE, *stretches])

    def describe_lost(self) -> str:
        """Which rows and times cannot be decoded, and why; '' for none."""
        if not len(self.lost):
            return ""
        stretches = self.lost.reshape(-1, 2)
        shown = []
        for first, stop in stretches[:_TOLD_STRETCHES].tolist():
            begin, end = self.seconds([first, stop - 1]).tolist()
            if stop - first == 1:
                shown.append(f"row {first} (at {begin:.3f} s)")
            else:
                shown.append(f"rows {first} to {stop - 1} ({begin:.3f} to {end:.3f} s)")
        more = len(stretches) - len(shown)
        text = ", ".join(shown) + (f" and {more} more stretches" if more else "")
        count = int((stretches[:, 1] - stretches[:, 0]).sum())
        why = f": {self.damage[0]}" if self.damage else ""
        return f"{text} cannot be decoded, {count} of {len(self)} rows{why}"

    def to_bytes(self) -> bytes:
        """Packs the index; a constant-rate hour takes some hundred bytes.

        Examples:
            >>> FrameIndex.from_bytes(b'not an index')
            Traceback (most recent call last):
            ...
            beam_scanner.errors.VideoError: these bytes are not a frame index
        """
        scalars = {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)
            if field.name not in _ARRAYS
        }
        scalars["lengths"] = [len(getattr(self, name)) for name in _ARRAYS]
        packed = [_pack(getattr(self, name)) for name in _ARRAYS]
        scalars["sizes"] = [len(data) for data in packed]
        header = json.dumps(scalars, sort_keys=True).encode()
        body = b"".join([len(header).to_bytes(4, "little"), header, *packed])
        prefix = _MAGIC + _VERSION.to_bytes(2, "little")
        return b"".join([prefix, zlib.crc32(body).to_bytes(4, "little"), body])

    @classmethod
    def from_bytes(cls, data: bytes) -> FrameIndex:
        """Unpacks what :meth:`to_bytes` gave.

        Raises:
            VideoError: Not an index, cut short, or of another format version.
        """
        if data[:8] != _MAGIC:
            raise VideoError("these bytes are not a frame index")
        version, body = int.from_bytes(data[8:10], "little"), data[14:]
        if version == _UNCHECKED:
            body = data[10:]
        elif version != _VERSION:
            raise VideoError(
                f"frame index has format version {version}, expected {_VERSION}: "
                "index the video again"
            )
        elif zlib.crc32(body).to_bytes(4, "little") != data[10:14]:
            raise VideoError("frame index is damaged: its checksum is wrong")
        try:
            index = cls._unpack(body, 7 if version == _UNCHECKED else len(_ARRAYS))
            if version == _UNCHECKED:
                index._check()
        # Without a checksum a damaged one may hold anything.
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise VideoError(f"frame index is damaged: {error}") from error
        except (zlib.error, MemoryError, RecursionError) as error:
            raise VideoError(f"frame index is damaged: {error}") from error
        if version == _UNCHECKED and index.pix_fmt == "pal8":
            # It does not say which palette holds where: rows would be black.
            raise VideoError("the frame index has no palettes: index the video again")
        return index

    @classmethod
    def _unpack(cls, data: bytes, arrays: int) -> FrameIndex:
        start = 4 + int.from_bytes(data[:4], "little")
        values: dict[str, Any] = json.loads(data[4:start])
        lengths, sizes = values.pop("lengths"), values.pop("sizes")
        for name, length, size in zip(_ARRAYS[:arrays], lengths, sizes, strict=True):
            values[name] = _unpack(data[start : start + size], length)
            start += size
        if start != len(data):
            raise ValueError(f"it has {len(data)} bytes in place of {start}")
        for name in ("time_base", "sample_aspect_ratio", "average_rate"):
            if values[name] is not None:
                values[name] = Fraction(*values[name])
        if values["crop"] is not None:
            values["crop"] = tuple(values["crop"])
        values["damage"] = tuple(values["damage"])
        values["setups"] = tuple(tuple(setup) for setup in values.get("setups", ()))
        return cls(**values)

    def _check(self) -> None:
        """Refuses what no video has.

        Raises:
            ValueError: Says what.
        """
        keyframes, lost, rows = self.keyframes, self.lost, len(self)
        per_keyframe = (self.seek_pts, self.seek_dts, self.seek_pos, self.gop_bytes)
        crop = self.crop if self.crop is not None else (1, 1)
        sizes = (self.width, self.height, *crop)
        numbers = (*sizes, self.rotation, self.stream_index)
        texts = (self.codec, self.pix_fmt, self.fingerprint, *self.damage)
        kinds = (self.seekable, self.timed, self.open_gop, self.mirrored)
        for wrong, what in (
            (any(type(n) is not int or n < 0 for n in numbers), "its numbers"),
            (len(crop) != 2 or not all(0 < n < _LARGEST for n in sizes), "its size"),
            (any(type(flag) is not bool for flag in kinds), "its flags"),
            (self.rotation not in (0, 90, 180, 270), "its rotation"),
            (
                any(len(array) != len(keyframes) for array in per_keyframe),
                "its keyframes",
            ),
            (len(keyframes) and not _ascend(keyframes, 0, rows - 1), "its keyframes"),
            (bool(rows) != bool(len(keyframes)), "its keyframes"),
            (len(keyframes) and keyframes[0] != 0, "its keyframes"),
            (len(lost) % 2 or not _ascend(lost, 0, rows), "its lost rows"),
            (self.time_base <= 0, "its time base"),
            (not all(isinstance(text, str) for text in texts), "its texts"),
            (not isinstance(self.duration_seconds, float | int), "its duration"),
        ):
            if wrong:
                raise ValueError(f"{what} cannot be right")


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    return value


def _ascend(array: Int64Array, least: int, most: int) -> bool:
    """Whether values ascend, all of them in a range."""
    steps = bool((np.diff(array) > 0).all())
    return steps and (not len(array) or least <= array[0] <= array[-1] <= most)


def _pack(array: Int64Array) -> bytes:
    # Second differences of a constant-rate video are zeros; int64 wraps, so this
    # is exact for any values.
    twice = np.diff(np.diff(array, prepend=np.int64(0)), prepend=np.int64(0))
    return zlib.compress(twice.astype("<i8").tobytes(), 6)


def _unpack(data: bytes, length: int) -> Int64Array:
    if type(length) is not int or not 0 <= length <= _MOST_VALUES:
        raise ValueError(f"an array of {length!r} values")
    # No more than it should be, whatever it would unpack to.
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(data, 8 * length + 1)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"an array is not packed as {length} values are")
    twice = np.frombuffer(found, dtype="<i8")
    if len(twice) != length:
        raise ValueError(f"an array has {len(twice)} values, expected {length}")
    array = np.cumsum(np.cumsum(twice.astype(np.int64)))
    array.setflags(write=False)
    return array
