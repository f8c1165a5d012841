"""Exact frames: an index of a video file, a decoder that obeys it, an encoder.

``open`` gives the frames of any video file by row, without a graph::

    with beam_scanner.video.open('film.mp4') as video:
        frame = video[100]

Nothing here imports FFmpeg until a video is opened, so planning with descriptions of
videos, and sending them to workers, is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beam_scanner.video.video_reader import VideoReader as VideoReader
    from beam_scanner.video.video_reader import open as open
else:
    from beam_scanner.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__, {"beam_scanner.video.video_reader": "VideoReader open"}
    )
