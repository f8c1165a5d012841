"""Reads the frames of one video file by its index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.rows.gops import keyframe_at
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.segments.index_cache import ingested_files, stored_index
from beam_scanner.storage.stored_rows import NumberedReader
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.types.element_types import NULL
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.decoding import decoding_of
from beam_scanner.video.display import Display
from beam_scanner.video.hardware_codecs import check_hardware, refusal
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.source import VideoSource, source_name


class VideoRows(NumberedReader):
    """Reads frames of a video file; rows that cannot be decoded are null.

    Reading on from where the last read ended costs no seek.

    Args:
        name: The stream's name.
        length: Its number of rows.
        source: The file.
        find_index: Gives the file's index, when something needs it.

    Attributes:
        source: The file.
    """

    def __init__(
        self,
        name: str,
        length: int,
        source: VideoSource,
        find_index: Callable[[], FrameIndex],
    ) -> None:
        super().__init__(name, length)
        self.source = source
        self._find_index = find_index
        self._decoder: VideoDecoder | None = None
        self._place = "cpu"
        self._keyframe = -1

    @cached_property
    def index(self) -> FrameIndex:
        """The file's index."""
        return self._find_index()

    def reopen(self) -> VideoRows:
        """See :meth:`RowReader.reopen`."""
        return VideoRows(self._name, len(self), self.source, lambda: self.index)

    def decode_on(self, decoder: str) -> None:
        """See :meth:`RowReader.decode_on`; tells from the index, not from the machine."""
        if decoder == self._place:
            return
        if decoder != "cpu":
            check_hardware(source_name(self.source), self.index)
        self.rest()
        self._place = decoder

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See :meth:`RowReader.read`.

        Raises:
            VideoError: The file has changed, or a row cannot be decoded.
        """
        wanted = self.checked(rows)
        lost = self.index.is_lost(wanted)
        if not lost.any():
            return self._decode(wanted)
        frames = iter(self._decode(wanted[~lost]))
        return [NULL if gone else next(frames) for gone in lost.tolist()]

    def _decode(self, frames: NDArray[np.int64]) -> list[Any]:
        if self._decoder is None:
            decoding = decoding_of(self._place)
            self._decoder = VideoDecoder(self.source, self.index, decoding=decoding)
        self._count_bytes(frames)
        return list(self._decoder.read(frames))

    def _count_bytes(self, frames: NDArray[np.int64]) -> None:
        keyframes = np.unique(keyframe_at(self.index.keyframes, frames))
        numbers = np.searchsorted(self.index.keyframes, keyframes)
        fresh = numbers[numbers != self._keyframe]
        self._counts["bytes_read"] += int(self.index.gop_bytes[fresh].sum())
        if len(numbers):
            self._keyframe = int(numbers[-1])

    def nulls(self) -> NDArray[np.bool_]:
        """See :meth:`RowReader.nulls`."""
        return self.index.is_lost(np.arange(len(self)))

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`RowReader.seconds`."""
        return self.index.seconds(rows)

    @property
    def keyframes(self) -> NDArray[np.int64]:
        """See :attr:`RowReader.keyframes`."""
        return self.index.keyframes

    @property
    def gop_bytes(self) -> NDArray[np.int64]:
        """See :attr:`RowReader.gop_bytes`."""
        return self.index.gop_bytes

    @property
    def display(self) -> Display:
        """See :attr:`RowReader.display`."""
        return self.index.display

    @property
    def frame_bytes(self) -> int:
        """See :attr:`RowReader.frame_bytes`."""
        return self.index.frame_bytes

    @property
    def fits_gpu(self) -> bool:
        """See :attr:`RowReader.fits_gpu`."""
        return not refusal(self.index)

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        counts = super().counters()
        if self._decoder is not None:
            counts["frames_decoded"] += self._decoder.frames_decoded
            counts["seeks"] += self._decoder.seeks
        return counts

    def rest(self) -> None:
        """See :meth:`RowReader.rest`."""
        if self._decoder is not None:
            self._counts = Counter(self.counters())
            self._decoder.close()
            self._decoder, self._keyframe = None, -1

    def close(self) -> None:
        """See :meth:`RowReader.close`."""
        self.rest()


def ingested_rows(
    store: ObjectStore, descriptor: StreamDescriptor, index: FrameIndex | None = None
) -> VideoRows:
    """Opens an ingested video.

    Args:
        store: The database's store.
        descriptor: The stream's.
        index: The file's index, if it is not stored.
    """
    return VideoRows(
        descriptor.name,
        descriptor.rows,
        video_file(store, descriptor),
        lambda: stored_index(store, descriptor) if index is None else index,
    )


def video_file(store: ObjectStore, descriptor: StreamDescriptor) -> VideoSource:
    """The video file that an ingested stream consists of."""
    if descriptor.path is not None:
        return descriptor.path
    assert descriptor.copy is not None
    files = ingested_files(store, descriptor)
    return files.video(descriptor.copy, descriptor.fingerprint)
