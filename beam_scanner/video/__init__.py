"""Exact frames: an index of a video file, a decoder that obeys it, an encoder.

``open`` gives the frames of any video file by row, without a graph::

    with beam_scanner.video.open('film.mp4') as video:
        frame = video[100]

Nothing here imports FFmpeg until a video is opened, so planning with descriptions of
videos, and sending them to workers, is cheap.
"""

from beam_scanner.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
