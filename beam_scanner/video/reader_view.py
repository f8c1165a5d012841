"""What a notebook shows of a video."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from beam_scanner.notebook.thumbnails import (
    Shot,
    at_keyframes,
    caption,
    spread,
    strip,
)
from beam_scanner.text.cards import card

if TYPE_CHECKING:
    from beam_scanner.video.index import FrameIndex
    from beam_scanner.video.video_reader import VideoReader

THUMBNAILS = 8


def video_facts(index: FrameIndex) -> dict[str, object]:
    """What is known of a video without decoding it, by name."""
    rate = index.average_rate
    turned = f"turned by {index.rotation} degrees" if index.rotation else ""
    return {
        "frames": f"{len(index):,}",
        "size": f"{index.width} x {index.height}",
        "rate": "" if rate is None else f"{float(rate):.6g} frames a second",
        "duration": f"{index.duration_seconds:.3f} s",
        "codec": f"{index.codec} ({len(index.keyframes):,} keyframes)",
        "shown": ", ".join(
            part for part in (turned, "mirrored" if index.mirrored else "") if part
        ),
        "lost": f"{len(index.lost_rows)} rows" if len(index.lost_rows) else "",
    }


def video_card(video: VideoReader, name: str) -> str:
    """Facts, and frames at keyframes all over the video, which cost little to decode."""
    rows = at_keyframes(spread(len(video), THUMBNAILS), video.keyframes)
    seconds = video.pts_seconds
    shots = [
        Shot(frame, caption(row, float(seconds[row])))
        for row, frame in zip(rows, video.read(rows), strict=True)
    ]
    facts = {"file": name if os.path.dirname(name) else ""}
    return card(
        os.path.basename(name) or name,
        {**facts, **video_facts(video.index)},
        strip(shots),
    )
