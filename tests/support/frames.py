"""Frames of many kinds for the tests of ops."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner.kernels import KernelConfig
from beam_scanner.ops.resize import Resize

CONFIG = KernelConfig()


FRAMES = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))
)


def picture(height: int = 48, width: int = 64, shift: int = 0) -> np.ndarray:
    """A smooth, read-only RGB picture; ``shift`` moves it to the right."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    x = x - shift
    waves = [np.sin(x / 5 + y / 9), np.cos(x / 7 - y / 4), np.sin((x + y) / 6)]
    frame = np.uint8(np.stack(waves, axis=-1) * 100 + 128)
    frame.setflags(write=False)
    return frame  # type: ignore[return-value]


def resize(frame: np.ndarray, **arguments: Any) -> np.ndarray:
    kernel = Resize(CONFIG)
    kernel.new_stream(**arguments)
    return kernel.execute(frame)
