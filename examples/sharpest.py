"""The sharpest frame of every second, as PNG files.

beam-scanner --input 'films/*.mp4' --output db --graph examples/sharpest.py:sharpest

Two runs: the first measures every frame; the second decodes only the frames that
were chosen. Sharpness needs OpenCV: pip install '.[opencv]'.
"""

import numpy as np


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
