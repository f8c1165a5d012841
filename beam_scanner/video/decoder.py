"""Decodes chosen rows of a video, exactly.

A decoder starts at the last keyframe at or before a row and decodes up to it; for rows
that follow it reads on, and seeks only where that skips frames (see
:mod:`beam_scanner.rows.gops`). On the way it leaves out pictures to which no other
refers, which changes no pixel of the others. Every frame's time is compared with the
index: a file or a seek that gives other frames than expected leads to another attempt
from further back and then to an error, never to a wrong frame.

After any sign of damage the file is opened again, since decoders carry what they
concealed over seeks. So whether a row is given, and its bytes, do not depend on what
was read before it.

Decoding uses one thread by default. Whoever reads many videos, or many pieces of
one, keeps all cores at work by reading them side by side, which scales better than
threads in one decoder and cannot hang on damaged files as frame threads can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.rows.gops import keyframe_at
from beam_scanner.rows.row_numbers import check_rows
from beam_scanner.video.cursor import PacketCursor
from beam_scanner.video.decode_attempts import (
    Attempt,
    DamagePolicy,
    UnexpectedFrameError,
)
from beam_scanner.video.decoding import CPU, Decoding
from beam_scanner.video.decoding_run import DecodingRun
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.source import VideoSource, raise_interrupt, source_name


class VideoDecoder:
    """Reads rows of one video.

    Pickling keeps what it reads and drops the open file, which is opened again, and
    checked again, at the next read.

    Args:
        source: A path, or a callable that opens the file.
        index: Its index.
        threads: Threads for decoding one frame after another; 0 for one a core.
        decoding: Where packets become frames.

    Attributes:
        frames_decoded: Rows passed so far, those on the way to a wanted one included.
        frames_skipped: How many of these were left out, since nothing needs them.
        seeks: How often decoding started at a keyframe.

    Examples:
        >>> import os, tempfile
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> encoding = Encoding('lossless', keyframe_distance=10)
        >>> with VideoEncoder(path, encoding) as encoder:
        ...     frame = np.zeros((4, 6, 3), np.uint8)
        ...     for frame[0, 0, 0] in range(30):
        ...         encoder.write(frame, frame[0, 0, 0] / 25)
        >>> with VideoDecoder(path, encoder.index) as decoder:
        ...     frames = list(decoder.read([3, 25]))
        ...     decoder.frames_decoded
        10
        >>> frames[1].shape, int(frames[1].max())
        ((4, 6, 3), 25)
    """

    def __init__(
        self,
        source: VideoSource,
        index: FrameIndex,
        *,
        threads: int = 1,
        decoding: Decoding = CPU,
    ) -> None:
        self.index = index
        self.frames_decoded = 0
        self.frames_skipped = 0
        self.seeks = 0
        self._source = source
        self._threads = threads
        self._decoding = decoding
        self._policy = DamagePolicy(index)
        self._cursor = PacketCursor(source, index, threads, decoding)
        self._convert = decoding.converter(index, source_name(source))
        # None where the next row starts at a keyframe.
        self._run: DecodingRun | None = None
        # The latest keyframe's number, and the rows up to the next one.
        self._group = -1, range(0)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "source": self._source,
            "index": self.index,
            "threads": self._threads,
            "decoding": self._decoding,
            "counts": (self.frames_decoded, self.frames_skipped, self.seeks),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(  # type: ignore[misc]
            state["source"],
            state["index"],
            threads=state["threads"],
            decoding=state["decoding"],
        )
        self.frames_decoded, self.frames_skipped, self.seeks = state["counts"]

    def __enter__(self) -> VideoDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; a later read opens it again."""
        self._run = None
        self._cursor.close()

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> Iterator[Any]:
        """Decodes rows, lazily.

        Args:
            rows: Ascending, no duplicates.

        Yields:
            For each row uint8[height, width, 3], RGB, C-contiguous, the receiver's
            to keep and to change; as a ``DeviceFrame`` where it is decoded on a device.
            The shape differs from the index only where the coded size changes within
            the video.

        Raises:
            ArgumentError: The rows do not ascend.
            RowError: A row lies outside the video.
            VideoError: The file is gone, has changed since it was indexed, or a row
                cannot be decoded.
            StorageError: The file cannot be read now; a later read tries again.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        self._check_rows(wanted)
        following = [*wanted[1:].tolist(), None]
        return map(self._read_row, wanted.tolist(), following)

    def decode_frame(self, row: int) -> Any:
        """The picture of a row as FFmpeg decodes it: an ``av.VideoFrame``.

        Raises:
            VideoError: As :meth:`read`. So do the other errors.
        """
        self._check_rows(np.array([row]))
        return self._read_row(row, None, lambda frame: frame)

    def _check_rows(self, rows: NDArray[np.int64]) -> None:
        if rows.size > 1 and np.diff(rows).min() <= 0:
            raise ArgumentError("rows for a decoder must ascend without duplicates")
        video = f"not in video {source_name(self._source)!r}"
        check_rows(rows, len(self.index), video)

    def _read_row(
        self,
        row: int,
        following: int | None,
        convert: Callable[[Any], Any] | None = None,
    ) -> Any:
        keyframe = self._keyframe_of(row)
        reason = self._policy.refusal(row, keyframe)
        if reason is None:
            try:
                frame = self._decode_row(row, keyframe, following)
                return convert(frame) if convert else self._convert(frame)
            except UnexpectedFrameError as error:
                reason = str(error)
                self._policy.failed(row, keyframe, error)
            except BaseException as error:
                # A read that failed, or was interrupted, may have lost frames.
                self.close()
                raise_interrupt(error)
                raise
        time = float(self.index.seconds([row])[0])
        raise VideoError(
            f"video {source_name(self._source)!r}: row {row} (at {time:.3f} s) cannot "
            f"be decoded: {reason}{self._decoding.advice}"
        )

    def _keyframe_of(self, row: int) -> int:
        """The number of the keyframe at or before a row."""
        keyframe, rows = self._group
        if row not in rows:
            keyframes = self.index.keyframes
            following = int(keyframes.searchsorted(row, side="right"))
            keyframe = following - 1
            ends = [*keyframes[keyframe : following + 1].tolist(), len(self.index)]
            self._group = keyframe, range(ends[0], ends[1])
        return keyframe

    def _decode_row(self, row: int, keyframe: int, following: int | None) -> Any:
        """Reads on to a row, or makes the attempts at it that the policy has."""
        ends = (
            self._policy.may_end
            and following is not None
            and following > row + 1
            and bool(keyframe_at(self.index.keyframes, following) > row + 1)
        )
        if self._run is not None and self._run.reaches(row):
            self._run.ends = ends and self._run.leaves_out
            try:
                return self._read_on(self._run, row)
            except UnexpectedFrameError:
                self.close()
        first: UnexpectedFrameError | None = None
        for attempt in self._policy.attempts(row, keyframe, ends):
            try:
                frame = self._read_on(self._start(attempt), row)
                self._policy.succeeded(attempt)
                return frame
            except UnexpectedFrameError as error:
                if first is None:
                    first = error
                    if self._run is not None:
                        first.decoded = self._run.decoded_after(row)
                # Decoders take more of what they concealed over a seek than they should.
                self.close()
        assert first is not None
        raise first

    def _start(self, attempt: Attempt) -> DecodingRun:
        self._run = None
        self.seeks += 1
        if not self._cursor.move_to(attempt.keyframe):
            raise UnexpectedFrameError("its keyframe is not in the file")
        self._run = DecodingRun(self._source, self.index, self._cursor, attempt)
        return self._run

    def _read_on(self, run: DecodingRun, row: int) -> Any:
        begin, left_out = run.next_row, run.left_out
        try:
            return run.decode_up_to(row)
        finally:
            self.frames_decoded += run.next_row - begin
            self.frames_skipped += run.left_out - left_out
