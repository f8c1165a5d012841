"""Streams of frames that are written segment by segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from beam_scanner.storage.stored_rows import SegmentTask
from beam_scanner.types import FrameType, NullElement, get_type_info
from beam_scanner.video.encoding import Encoding

LOSSLESS = Encoding("raw", keyframe_distance=5)
FRAME = get_type_info(FrameType)


def write_segments(
    stream: Any,
    elements: Sequence[Any],
    cuts: Sequence[int],
    encoding: Encoding,
    seconds: Any = None,
    generation: str = "g1",
) -> list[Any]:
    """Writes segments up to each cut and the end; returns their records."""
    seconds = np.arange(len(elements)) / 25 if seconds is None else seconds
    edges = [0, *cuts, len(elements)]
    records = []
    for task, start in enumerate(edges[:-1]):
        stop = edges[task + 1]
        writer = stream.segment_writer(
            SegmentTask(generation, task, "a", start, encoding, FRAME)
        )
        writer.write(start, elements[start:stop], seconds[start:stop])
        records.append(writer.finish())
    return records


def same(one: Any, other: Any) -> bool:
    """Whether two frames are equal, their types too."""
    if isinstance(one, NullElement) or isinstance(other, NullElement):
        return one == other
    return one.dtype == other.dtype and np.array_equal(one, other)
