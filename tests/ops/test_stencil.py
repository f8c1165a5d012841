"""Ops over two frames need a stencil of two."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
)
from beam_scanner.ops.difference import FrameDifference
from beam_scanner.ops.flow import OpticalFlow
from tests.support.frames import CONFIG, picture


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ArgumentError, match="stencil of two rows"):
        OpticalFlow(CONFIG).execute([picture()])
    with pytest.raises(ElementTypeError, match="differ in shape"):
        FrameDifference(CONFIG).execute([picture(), picture(height=40)])
    with pytest.raises(ElementTypeError, match="uint8 and float32"):
        FrameDifference(CONFIG).execute([picture(), picture().astype(np.float32)])
