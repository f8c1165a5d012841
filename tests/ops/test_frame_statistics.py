"""Brightness, contrast and sharpness, against plain NumPy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner.errors import ElementTypeError, MissingDependencyError
from beam_scanner.kernels import Kernel
from beam_scanner.ops.frame_statistics import Brightness, Contrast, Sharpness
from tests.support.frames import CONFIG, picture

OPS = (Brightness, Contrast, Sharpness)

FRAMES = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])),
)


def luma(frame: np.ndarray) -> np.ndarray:
    """Y in fixed point with 14 bits: 0.299, 0.587 and 0.114 of red, green, blue."""
    if frame.shape[2] == 1:
        return frame[..., 0].astype(np.int64)
    weighted = frame.astype(np.int64) @ np.array([4899, 9617, 1868])
    return (weighted + 2**13) >> 14


def laplacian(frame: np.ndarray) -> np.ndarray:
    padded = np.pad(frame.astype(np.int64), ((1, 1), (1, 1), (0, 0)), mode="reflect")
    rows = padded[:-2, 1:-1] + padded[2:, 1:-1]
    columns = padded[1:-1, :-2] + padded[1:-1, 2:]
    return rows + columns - 4 * padded[1:-1, 1:-1]


def all_equal_numpy(frame: np.ndarray) -> None:
    assert Brightness(CONFIG).execute(frame) == luma(frame).mean()
    assert Contrast(CONFIG).execute(frame) == pytest.approx(luma(frame).std(), 1e-12)
    found = Sharpness(CONFIG).execute(frame)
    assert found == pytest.approx(laplacian(frame).var(), 1e-12)


@given(FRAMES)
def test_statistics_equal_numpy(frame: np.ndarray) -> None:
    all_equal_numpy(frame)


def test_statistics_of_a_picture_and_of_views() -> None:
    frame = picture()
    for view in (frame, frame[::2, ::-1], frame.transpose(1, 0, 2), frame[..., 1:2]):
        all_equal_numpy(view)


def test_extremes() -> None:
    odd = np.indices((8, 8, 1)).sum(axis=0) % 2
    squares = (255 * odd).astype(np.uint8)
    all_equal_numpy(squares)
    assert Contrast(CONFIG).execute(squares) == 127.5
    assert Sharpness(CONFIG).execute(squares) == 1020**2


@given(
    st.integers(0, 255), st.integers(1, 50), st.integers(1, 50), st.sampled_from([1, 3])
)
def test_frames_of_one_color(level: int, height: int, width: int, depth: int) -> None:
    frame = np.full((height, width, depth), level, np.uint8)
    found = [op(CONFIG).execute(frame) for op in OPS]
    assert found == [level, 0.0, 0.0]
    assert all(type(value) is float for value in found)


def test_a_large_frame_is_exact() -> None:
    frame = np.full((3000, 4000, 1), 255, np.uint8)
    assert Contrast(CONFIG).execute(frame) == 0.0
    frame[:1500] = 0
    assert Contrast(CONFIG).execute(frame) == 127.5


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    "frame", [np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), np.float32)]
)
def test_other_frames_are_errors(op: type[Kernel], frame: np.ndarray) -> None:
    with pytest.raises(ElementTypeError, match=f"{op.__name__} expected an H x W x 3"):
        op(CONFIG).execute(frame)


@pytest.mark.parametrize("op", OPS)
def test_without_opencv(op: type[Kernel], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match=rf"{op.__name__}.*\[opencv\]"):
        op(CONFIG)
