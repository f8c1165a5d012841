"""The features of frames, as they are defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import KernelConfig
from beam_scanner.ops.shot_features import SIZE, ShotFeatures, features_with_numpy

SIDES = st.one_of(st.integers(1, 40), st.sampled_from([179, 180, 359, 360, 721]))


def defined(frame: np.ndarray) -> list[int]:
    """The features in whole numbers of Python."""
    rows = frame[:: max(1, len(frame) // 180)].astype(int)
    height, width = rows.shape[:2]
    found = []
    for channel in range(3):
        for value in range(16):
            count = int((rows[..., channel] // 16 == value).sum())
            found.append((count * 255 + height * width // 2) // (height * width))
    for y in range(6):
        for x in range(8):
            top, left = y * height // 6, x * width // 8
            bottom = max(top + 1, (y + 1) * height // 6)
            right = max(left + 1, (x + 1) * width // 8)
            cell = rows[top:bottom, left:right].reshape(-1, 3)
            found += [(int(s) + len(cell) // 2) // len(cell) for s in cell.sum(axis=0)]
    return found


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), height=SIDES, width=SIDES)
def test_features_are_as_defined(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    low = random.integers(0, 255)
    frame = random.integers(low, 256, (height, width, 3), np.uint8)
    expected = defined(frame)
    assert features_with_numpy(frame).tolist() == expected
    assert list(ShotFeatures(KernelConfig()).execute(frame)) == expected
    assert len(expected) == SIZE


def test_frames_of_other_layouts() -> None:
    features = ShotFeatures(KernelConfig())
    frame = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    assert features.execute(frame[::-1, ::2]) == features.execute(
        np.ascontiguousarray(frame[::-1, ::2])
    )
    gray = frame[..., :1]
    assert features.execute(gray) == features.execute(np.repeat(gray, 3, axis=2))


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_frame(frame: np.ndarray) -> None:
    with pytest.raises(ElementTypeError, match="ShotFeatures"):
        ShotFeatures(KernelConfig()).execute(frame)
