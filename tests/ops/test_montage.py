"""Montages, laid out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from beam_scanner import types
from beam_scanner.errors import (
    ArgumentError,
)
from beam_scanner.ops.montage import Montage
from tests.support.frames import CONFIG, picture


def test_montage() -> None:
    montage = Montage(CONFIG, num_frames=5, target_width=32, frames_per_row=3)
    frames = [picture(shift=i) for i in range(7)]
    for _ in range(2):
        results = [montage.execute(frame) for frame in frames]
        assert [isinstance(r, types.NullElement) for r in results] == (
            [True] * 4 + [False] + [True] * 2
        )
        assert results[4].shape == (48, 96, 3)
        for i, frame in enumerate(frames[:5]):
            y, x = divmod(i, 3)
            cell = results[4][24 * y : 24 * y + 24, 32 * x : 32 * x + 32]
            assert np.array_equal(cell, cv2.resize(frame, (32, 24)))
        assert not results[4][24:, 64:].any()
        montage.reset()
    with pytest.raises(ArgumentError, match="Montage needs"):
        Montage(CONFIG, num_frames=0, target_width=1, frames_per_row=1)
