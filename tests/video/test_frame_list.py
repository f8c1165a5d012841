"""Lists of frames as strips, clips and montages."""

from __future__ import annotations

import base64
import io
import pickle
import re

import av
import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.notebook.view import View
from beam_scanner.types import NULL
from beam_scanner.video import frame_list
from beam_scanner.video.frame_list import FrameList
from tests.support.video_fixtures import frame_number, numbered_frame


def frames(count: int = 10) -> FrameList:
    times = [5 + row / 10 for row in range(count)]
    return FrameList(
        map(numbered_frame, range(count)), range(7, 7 + count), times, "a<b"
    )


def played(view: View) -> list[av.VideoFrame]:
    [data] = re.findall(r"src='data:video/mp4;base64,([^']+)'", view.html())
    with av.open(io.BytesIO(base64.b64decode(data)), "r") as container:
        return list(container.decode(video=0))


def test_it_is_a_list() -> None:
    made = frames(3)
    assert len(made) == 3
    assert made == list(made)
    assert repr(made) == "<3 frames of 'a<b', rows 7 to 9>"
    again = pickle.loads(pickle.dumps(made))
    assert again.rows == [7, 8, 9]
    assert again.source == "a<b"
    assert np.array_equal(again.seconds, made.seconds)
    assert repr(FrameList([], [], [])) == "<0 frames of ''>"


def test_a_strip_has_times() -> None:
    page = frames(3)._repr_html_()
    for said in ("a&lt;b", "7 · 5.000 s", "9 · 5.200 s"):
        assert said in page
    many = frames(100)._repr_html_()
    assert many.count("<img") == frame_list.MOST_SHOWN
    assert "24 of 100 frames" in many


def test_a_clip_has_each_frame_at_its_time() -> None:
    shown = played(frames(10).show())
    numbers = [frame_number(f.to_ndarray(format="rgb24")) for f in shown]
    assert numbers == list(range(10))
    assert [f.time for f in shown] == pytest.approx(np.arange(10) / 10, abs=1e-4)
    faster = played(frames(10).show(fps=50))
    assert faster[9].time == pytest.approx(9 / 50, abs=1e-4)
    # Where times do not ascend, or are not known.
    still = FrameList(frames(3), [0, 0, 0], [float("nan")] * 3)
    assert played(still.show())[2].time == pytest.approx(2 / 25, abs=1e-4)


def test_clips_of_odd_sizes_and_of_nulls() -> None:
    wide = FrameList([np.full((271, 1001, 3), 90, np.uint8), NULL], [0, 1], [0, 1])
    first, second = played(wide.show(width=301))
    assert (first.width, first.height) == (300, 80)
    assert second.to_ndarray(format="rgb24").mean() < 5
    flow = FrameList([np.ones((20, 30, 2), np.float32)] * 2, [0, 1], [0, 1])
    assert len(played(flow.show())) == 2
    assert "all these rows are null" in FrameList([NULL], [0], [0]).show()._repr_html_()


def test_montage() -> None:
    assert frames(4).montage(columns=2, width=32).shape == (24 * 2 + 4, 68, 3)


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_list, "MOST_PLAYED", 5)
    for made in (frames(6), FrameList([], [], [])):
        with pytest.raises(ArgumentError, match="1 to 5 frames"):
            made.show()
    for wrong in ({"fps": 0}, {"width": 4}):
        with pytest.raises(ArgumentError, match="width of 16 or more and fps above 0"):
            frames(2).show(**wrong)
