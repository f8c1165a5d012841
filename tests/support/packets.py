"""Packets of a video, as its container tells of them."""

from __future__ import annotations

import numpy as np

from beam_scanner.video.lost_rows import Packets


def packets_of(pts: np.ndarray, clean: np.ndarray) -> Packets:
    """One picture each; ``clean``: at which of them decoding may start."""
    return Packets(
        codec="h264",
        pts=pts.astype(np.int64),
        dts=np.arange(len(pts)),
        pos=np.arange(len(pts)),
        size=np.ones(len(pts), np.int64),
        shown=np.ones(len(pts), bool),
        clean=clean,
        pictures=np.ones(len(pts), np.int64),
        marked=np.zeros(len(pts), bool),
        signs={},
        last_duration=1,
        open_gop=False,
        begins_open=False,
    )
