"""What tests of frames that are decoded ahead have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import psutil

from beam_scanner.data import Frames


def processes(frames: Frames) -> list[psutil.Process]:
    """The workers that decode now."""
    decoders: Any = frames._decoders
    return [psutil.Process(worker._fork.started()) for worker in decoders._workers]


def wait_for_end(found: Iterable[psutil.Process], seconds: float = 10) -> None:
    _, alive = psutil.wait_procs(found, seconds)
    assert not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def taken(frames: Frames) -> list[tuple[list[Any], np.ndarray]]:
    """All chunks: rows as lists, and their frames."""
    return [(rows.tolist(), pixels) for rows, pixels in frames]


def check(
    chunks: Sequence[tuple[list[int], np.ndarray]], rows: Sequence[int], expected: Any
) -> None:
    """Compares chunks with the rows that were asked for and the frames of a video."""
    assert [row for found, _ in chunks for row in found] == list(rows)
    for found, pixels in chunks:
        assert len(found) == len(pixels)
        for row, frame in zip(found, pixels, strict=True):
            assert np.array_equal(frame, expected[row]), f"row {row}"
