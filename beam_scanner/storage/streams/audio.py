"""The sound of audio and video files as streams."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError
from beam_scanner.storage.stored_rows import NumberedReader
from beam_scanner.storage.streams.outside import (
    FileStorage,
    FileStream,
    combined_digest,
    content_digest,
    exact_seconds,
)
from beam_scanner.types.element_types import ColumnType, FrameType

if TYPE_CHECKING:
    from beam_scanner.video.sound import AudioIndex


class AudioStorage(FileStorage):
    """Audio and video files, wherever they lie; they can be inputs only."""


class AudioStream(FileStream):
    """The sound of a file, cut into rows of equal length.

    Row ``i`` is a frame of float32 samples from -1 to 1, of shape (samples, 1, 1): of
    the first channel of FFmpeg's best audio track, from ``i * frame_size`` seconds
    after its first sample on, at the track's own rate. Every row has ``frame_size *
    rate`` samples, rounded down; there are as many rows as the sound lasts, and what
    does not fill a row is left out.

    The first use decodes the file once, to know where each sample is: containers do
    not say it exactly. (About 4 seconds for an hour.)

    Args:
        path: An audio file, or a video with an audio track, or the ``gs://`` or
            ``s3://`` URL of one.
        frame_size: Seconds of a row.
        storage: Only for Scanner's programs.

    Raises:
        ArgumentError: The frame size is not positive, or the path is not one.

    Examples:
        >>> import tempfile, wave
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.wav')
        >>> with wave.open(path, 'wb') as file:
        ...     file.setparams((1, 2, 8000, 0, 'NONE', ''))
        ...     file.writeframes(np.full(20_000, 8192, '<i2').tobytes())
        >>> stream = AudioStream(path, frame_size=0.5)
        >>> stream.len(), [(row.shape, row.max()) for row in stream.load(rows=[4])]
        (5, [((4000, 1, 1), np.float32(0.25))])
    """

    _storage_kind = AudioStorage

    def __init__(
        self,
        path: str | os.PathLike[str],
        frame_size: float,
        storage: AudioStorage | None = None,
    ) -> None:
        super().__init__(path, storage)
        self.frame_size = exact_seconds(frame_size, "frame_size of an AudioStream")
        # It travels with the stream, so that workers need not decode all again.
        self._index: AudioIndex | None = None

    def type(self) -> Any:
        """Rows are frames, of float32."""
        return FrameType

    def column_type(self) -> ColumnType:
        """See ``StoredStream.column_type``."""
        return ColumnType.Video

    def len(self) -> int:
        """The number of rows.

        Raises:
            VideoError: The file cannot be decoded, or has no audio track.
            ArgumentError: A row would be shorter than one sample.
        """
        index = self._indexed()
        self._row_samples(index)
        return math.floor(Fraction(index.samples, index.sample_rate) / self.frame_size)

    def estimate_size(self) -> int:
        """Bytes of a row."""
        return 4 * self._row_samples(self._indexed())

    def fingerprint(self) -> str:
        """Changes with the file's content and the frame size.

        Of a file of more than 64 MiB, pieces and time of change count.

        Raises:
            VideoError: The file cannot be read.
        """
        from beam_scanner.video.source import fingerprint

        return combined_digest(
            "audio",
            fingerprint(self._path, "audio"),
            content_digest(self._path),
            self.frame_size,
        )

    def reader(self) -> AudioReader:
        """See ``StoredStream.reader``.

        Raises:
            VideoError: The file cannot be decoded, has no audio track, or has changed
                since this stream was first used.
        """
        index = self._indexed()
        return AudioReader(self, index, self._row_samples(index))

    def _indexed(self) -> AudioIndex:
        if self._index is None:
            # Loads FFmpeg.
            from beam_scanner.video.sound import index_audio

            self._index = index_audio(self._path)
        return self._index

    def _row_samples(self, index: AudioIndex) -> int:
        samples = math.floor(self.frame_size * index.sample_rate)
        if samples < 1:
            raise ArgumentError(
                f"frame_size {float(self.frame_size)} s of audio {self._path!r} is "
                f"less than one sample: it has {index.sample_rate} a second"
            )
        return samples


class AudioReader(NumberedReader):
    """Reads rows of samples.

    Args:
        stream: The stream.
        index: The file's index.
        samples: Samples of a row.
    """

    frame_bytes = 0

    def __init__(self, stream: AudioStream, index: AudioIndex, samples: int) -> None:
        # Loads FFmpeg.
        from beam_scanner.video.sound import AudioDecoder

        super().__init__(stream.name(), stream.len())
        self.frame_bytes = 4 * samples
        self._samples = samples
        self._frame_size = stream.frame_size
        self._index = index
        self._decoder = AudioDecoder(stream.name(), index)

    def _start(self, row: int) -> int:
        return math.floor(row * self._frame_size * self._index.sample_rate)

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See ``RowReader.read``."""
        starts = [self._start(row) for row in self.checked(rows).tolist()]
        return [
            self._decoder.read(start, start + self._samples).reshape(-1, 1, 1)
            for start in starts
        ]

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See ``RowReader.seconds``: the times of the rows' first samples."""
        starts = np.array([self._start(int(row)) for row in rows], dtype=np.float64)
        times: NDArray[np.float64] = (
            starts / self._index.sample_rate + self._index.start_seconds
        )
        return times

    def close(self) -> None:
        """See ``RowReader.close``."""
        self._decoder.close()
