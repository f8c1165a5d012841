"""A film for the tests of what runs promise."""

from __future__ import annotations

import pytest

from beam_scanner import (
    NamedVideoStream,
)


@pytest.fixture
def frame(sc, test_video):
    """The column of a video of 720 frames, a keyframe every 24, named 'film'."""
    return sc.io.Input([NamedVideoStream(sc, "film", path=test_video)])
