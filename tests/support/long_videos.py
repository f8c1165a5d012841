"""Long videos for tests of how much of them is read, made in a moment."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.video_fixtures import numbered_frame

GOP = 12
RATE = 25
SIZE = (320, 240)


def noisy_clip(groups: int = 2, seed: int = 5) -> io.BytesIO:
    """An MP4 of numbered frames with noise, so that they take much space."""
    random = np.random.default_rng(seed)
    clip = io.BytesIO()
    with av.open(clip, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = GOP
        stream.codec_context.thread_count = 1
        options = {"preset": "ultrafast", "qp": "8", "sc_threshold": "0"}
        stream.codec_context.options = options
        for number in range(groups * GOP):
            frame = numbered_frame(number, SIZE).astype(np.int16)
            frame += random.integers(-14, 15, frame.shape, dtype=np.int16)
            pixels = frame.clip(0, 255).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts = number
            picture.time_base = Fraction(1, RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    clip.seek(0)
    return clip


def long_video(path: str | os.PathLike[str], megabytes: int, options=None) -> int:
    """Writes a video of about that size; frame i shows the number i % (2 * GOP).

    Returns:
        The number of frames.
    """
    with (
        av.open(noisy_clip()) as clip,
        av.open(os.fspath(path), "w", options=options or {}) as container,
    ):
        source = clip.streams.video[0]
        packets = [
            (bytes(p), round(p.pts * p.time_base * RATE), p.is_keyframe)
            for p in clip.demux(source)  # type: ignore[union-attr]
            if p.size
        ]
        rounds = -(-megabytes * 1_000_000 // sum(len(data) for data, *_ in packets))
        stream = container.add_stream_from_template(source)
        for turn in range(rounds):
            for data, number, is_keyframe in packets:
                packet = av.Packet(data)
                packet.stream = stream
                packet.time_base = Fraction(1, RATE)
                packet.pts = packet.dts = number + turn * len(packets)
                packet.is_keyframe = is_keyframe
                container.mux(packet)
    return rounds * len(packets)


KINDS = {
    "mp4, index at the front": ("front.mp4", {"movflags": "+faststart"}),
    "mp4, index at the end": ("end.mp4", {}),
    "mkv": ("long.mkv", {}),
    "mpeg-ts": ("long.ts", {}),
}
"""File name and options of the muxer."""


def upload(url: str, path: str | os.PathLike[str]) -> str:
    """Copies a file to a URL; gives the URL."""
    from beam_scanner.stores.open import locate

    store, key = locate(url)
    store.put(key, Path(path).read_bytes())
    return url
