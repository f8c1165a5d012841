"""Frame indexes put together from packets and pictures."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from beam_scanner.errors import RowError
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from tests.support.corpus import SHARED
from tests.support.video_fixtures import make_video


def test_what_it_knows():
    path = SHARED / "nasa_13013_rotated.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    index = index_video(str(path))
    assert (index.width, index.height, index.rotation) == (270, 480, 90)
    assert (index.codec, index.pix_fmt) == ("h264", "yuv420p")
    assert index.sample_aspect_ratio == 1
    assert index.average_rate == Fraction(30000, 1001)
    assert index.frame_bytes == 270 * 480 * 3
    assert index.duration_seconds == pytest.approx(17 * 1001 / 30000)


def test_best_stream_is_not_the_first():
    path = SHARED / "nasa_13013.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    index = index_video(path)
    assert (index.stream_index, index.width, len(index)) == (3, 480, 390)


def test_variable_rate_and_a_start_that_is_not_zero(tmp_path):
    pts = [1000, 1001, 1050, 1400, 2000]
    path = make_video(
        tmp_path / "a.mp4", frames=5, pts=pts, time_base=Fraction(1, 1000)
    )
    index = index_video(path)
    seconds = index.seconds(np.arange(5))
    assert seconds.dtype == np.float64
    assert seconds == pytest.approx([1, 1.001, 1.05, 1.4, 2])
    assert index.seconds([4, 0, 0]).tolist() == [2.0, 1.0, 1.0]
    for bad in (-1, 5):
        with pytest.raises(RowError, match=f"row {bad} is not in a video of 5 rows"):
            index.seconds([0, bad])


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> FrameIndex:
    return index_video(make_video(tmp_path_factory.mktemp("index") / "a.mp4", 40))
