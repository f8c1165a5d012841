"""The size that Resize makes, and arguments that give none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
)
from beam_scanner.ops.resize import Resize, target_size
from tests.support.frames import CONFIG, resize


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"width": 320, "height": 100}, (320, 100)),
        ({"width": 320, "preserve_aspect": True}, (320, 240)),
        ({"height": 100, "preserve_aspect": True}, (133, 100)),
        ({"width": 321, "height": 1, "preserve_aspect": True}, (321, 240)),
        ({"width": 1000, "height": 480, "min": True}, (640, 480)),
        ({"width": 1000, "height": 479, "min": True}, (1000, 479)),
        ({"width": 320, "preserve_aspect": True, "min": True}, (320, 240)),
        ({"width": 700, "preserve_aspect": True, "min": True}, (640, 480)),
    ],
)
def test_resize_sizes(arguments: dict[str, Any], size: tuple[int, int]) -> None:
    full = {"width": 0, "height": 0, **arguments}
    assert target_size(640, 480, **full) == size
    frame = np.zeros((480, 640, 3), np.uint8)
    assert resize(frame, **arguments).shape == (size[1], size[0], 3)


def test_resize_never_truncates_to_nothing() -> None:
    assert resize(np.zeros((2, 900, 3), np.uint8), width=9, preserve_aspect=True
                  ).shape == (1, 9, 3)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"width": 3},
        {"preserve_aspect": True},
        {"width": -1, "height": 3},
        {"width": 3, "height": 3, "interpolation": "INTER_MAX"},
    ],
)
def test_resize_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="Resize"):
        Resize(CONFIG).new_stream(**arguments)
