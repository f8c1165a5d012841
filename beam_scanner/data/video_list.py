"""The videos that rows are asked of, opened when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from beam_scanner.data.given_videos import OpenedVideo, open_video
from beam_scanner.errors import RowError, VideoError
from beam_scanner.rows.row_maps import Int64Array
from beam_scanner.rows.row_numbers import check_rows


class VideoList:
    """Videos by their numbers.

    Args:
        videos: As ``Frames`` takes them.
    """

    def __init__(self, videos: Sequence[Any]) -> None:
        self._videos = videos
        self._opened: dict[int, OpenedVideo] = {}

    def __getitem__(self, number: int) -> OpenedVideo:
        """The video of a number, opened.

        Raises:
            ScannerException: See ``open_video``.
        """
        if number not in self._opened:
            self._opened[number] = open_video(self._videos[number])
        return self._opened[number]

    def all_rows(self) -> Int64Array:
        """int64[n, 2]: all rows of all videos, one after the other."""
        lengths = [self[number].length for number in range(len(self._videos))]
        pairs = [
            np.stack([np.full(length, number), np.arange(length)], axis=1)
            for number, length in enumerate(lengths)
        ]
        return np.concatenate([np.empty((0, 2), np.int64), *pairs])

    def check(self, pairs: Int64Array, fits: Callable[[OpenedVideo], None]) -> None:
        """Raises an error for rows that do not exist or cannot be decoded.

        Args:
            pairs: int64[n, 2]: numbers of videos, and rows of these.
            fits: Called with each of the videos.

        Raises:
            RowError: There is no such video or row.
            VideoError: A row is lost, or a video cannot be read.
        """
        ordered = pairs[np.argsort(pairs[:, 0], kind="stable")]
        numbers, first = np.unique(ordered[:, 0], return_index=True)
        outside = numbers[(numbers < 0) | (numbers >= len(self._videos))]
        if len(outside):
            raise RowError(
                f"there is no video {outside[0]}: {len(self._videos)} are given, "
                "numbered from 0"
            )
        parts = np.split(ordered[:, 1], first[1:]) if len(numbers) else []
        for number, rows in zip(numbers.tolist(), parts, strict=True):
            video = self[number]
            check_rows(rows, video.length, f"outside {video.name!r}")
            lost = rows[video.lost[rows]]
            if len(lost):
                raise VideoError(
                    f"{video.name!r}, row {lost[0]}: it is lost, and there is no frame; "
                    f"{len(np.unique(lost))} of the rows that are asked for are"
                )
            fits(video)

    def equal_shapes(self, pairs: Int64Array) -> int:
        """How many rows from the first one on have frames of one shape."""
        numbers, where = np.unique(pairs[:, 0], return_inverse=True)
        first = self._look(int(pairs[0, 0]))
        same = np.array([self._look(n) == first for n in numbers.tolist()])[where]
        others = np.flatnonzero(~same)
        return int(others[0]) if len(others) else len(pairs)

    def _look(self, number: int) -> tuple[int, tuple[int, ...] | None]:
        video = self[number]
        return video.frame_bytes, video.shape

    def digest(self, by_content: bool) -> str:
        """Changes with the number of videos.

        Args:
            by_content: Also with the content of those that are opened.
        """
        found = hashlib.blake2b(str(len(self._videos)).encode(), digest_size=16)
        for number in sorted(self._opened) if by_content else ():
            found.update(f"\n{number} {self._opened[number].fingerprint}".encode())
        return found.hexdigest()
