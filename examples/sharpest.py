"""The sharpest frame of every second, as PNG files.

beam-scanner --input 'films/*.mp4' --output db --graph examples/sharpest.py:sharpest

Two runs: the first measures every frame, in batches; the second decodes only the
frames that were chosen.
"""

from collections.abc import Sequence

import numpy as np

from beam_scanner import FrameType, register_python_op


@register_python_op(batch=16)
def Sharpness(config, frame: Sequence[FrameType]) -> Sequence[float]:
    gray = np.stack(frame).astype(np.float32).mean(axis=3)
    across = np.abs(np.diff(gray, axis=2)).mean(axis=(1, 2))
    down = np.abs(np.diff(gray, axis=1)).mean(axis=(1, 2))
    return (across + down).tolist()


def sharpest(sc, videos):
    frames = sc.io.Input(videos)
    found = yield {"sharpness": sc.ops.Sharpness(frame=frames)}
    rows = [
        best_rows(video, list(values.load()))
        for video, values in zip(found.videos, found["sharpness"], strict=True)
    ]
    chosen = sc.streams.Gather(sc.io.Input(found.videos), rows)
    yield {"sharpest": sc.ops.ImageEncoder(frame=chosen, format="png")}


def best_rows(video, sharpness):
    """For each second of a video the row of its sharpest frame."""
    with video.reader() as reader:
        second = reader.seconds(np.arange(len(sharpness))).astype(int)
    best = {}
    for row, (value, s) in enumerate(zip(sharpness, second.tolist(), strict=True)):
        if s not in best or value > sharpness[best[s]]:
            best[s] = row
    return list(best.values())
