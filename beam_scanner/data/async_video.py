"""Chunks of a video by the class that SLEAP has for them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from beam_scanner.data.frames import Frames
from beam_scanner.errors import ArgumentError
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.video.video_reader import VideoReader


class AsyncVideo:
    """Loads frames of a video in the background, chunk by chunk.

    It is SLEAP's class, by ``Frames``: no ports are used, a program may have any number
    of them, and what goes wrong is an error.

    Args:
        base_port: Accepted for SLEAP's programs; nothing listens on it.

    Examples:
        >>> import os, tempfile
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> with VideoEncoder(path, Encoding('lossless')) as encoder:
        ...     for i in range(25):
        ...         encoder.write(np.full((16, 32, 3), i, np.uint8), i / 25)
        >>> with AsyncVideo.from_video(path, [20, 3, 20], frames_per_chunk=2) as video:
        ...     for rows, frames in video.chunks:
        ...         print(rows, frames.shape, frames[:, 0, 0, 0].tolist())
        [20, 3] (2, 16, 32, 3) [20, 3]
        [20] (1, 16, 32, 3) [20]
    """

    def __init__(self, base_port: int = 9010) -> None:
        self.base_port = base_port
        self._frames: Frames | None = None
        self._closed = False

    @classmethod
    def from_video(
        cls,
        video: Any,
        frame_idxs: Iterable[int] | None = None,
        frames_per_chunk: int = 64,
    ) -> Self:
        """Makes one and begins to load; see ``load_by_chunk``."""
        loading = cls()
        loading.load_by_chunk(video, frame_idxs, frames_per_chunk)
        return loading

    def load_by_chunk(
        self,
        video: Any,
        frame_idxs: Iterable[int] | None = None,
        frames_per_chunk: int = 64,
    ) -> None:
        """Begins to load frames, in place of those that were being loaded.

        Args:
            video: A path or URL, a ``VideoReader``, a stream of frames, or an object
                with the path as its ``filename``, as SLEAP's videos have it.
            frame_idxs: Row numbers from 0, in any order, also more than once; None for
                all.
            frames_per_chunk: How many are given at a time.

        Raises:
            ArgumentError: It is no video, or rows are no rows.
            RowError: There is no such row.
            VideoError: The video cannot be read.
        """
        self.close()
        if not isinstance(video, (str, os.PathLike, VideoReader, StoredStream)):
            named = getattr(video, "filename", None)
            if not isinstance(named, (str, os.PathLike)):
                raise ArgumentError(f"expected a video, or its path, got {video!r}")
            video = named
        rows = None if frame_idxs is None else list(frame_idxs)
        self._frames = Frames(video, rows, frames_per_chunk)
        self._frames.start()
        self._closed = False

    @property
    def chunks(self) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
        """Row numbers and uint8[n, height, width, 3], in the order that was asked for.

        The last chunk may be shorter; after it everything is closed.

        Raises:
            ArgumentError: No video has been given.
            VideoError: A row cannot be decoded; names the video and the row.
            WorkerError: A worker process has died.
        """
        if self._frames is None and not self._closed:
            raise ArgumentError("there is nothing to load: call load_by_chunk first")
        return self._chunks(self._frames)

    def _chunks(
        self, frames: Frames | None
    ) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
        # Those of another call of load_by_chunk are not for this iterator.
        while frames is not None and frames is self._frames:
            found = next(frames, None)
            if found is None:
                self.close()
                return
            yield found[0].tolist(), found[1]

    def close(self) -> None:
        """Ends loading; again is harmless."""
        self._closed = True
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
