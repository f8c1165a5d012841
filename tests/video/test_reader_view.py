"""What a notebook shows of a video."""

from __future__ import annotations

from pathlib import Path

import beam_scanner
from beam_scanner.video.frame_list import FrameList
from tests.support.video_fixtures import make_video


def test_facts_and_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a<b.mp4", frames=100, gop=10)
    with beam_scanner.video.open(path) as video:
        page = video._repr_html_()
        for said in ("a&lt;b.mp4", "64 x 48", "25 frames a second", "4.000 s", "h264"):
            assert said in page
        assert page.count("<img") == 8
        # Frames at keyframes cost little.
        assert "10 · 0.400 s" in page
        assert len(page) < 40_000


def test_slices_are_lists_with_rows_and_times(tmp_path: Path) -> None:
    with beam_scanner.video.open(make_video(tmp_path / "a.mp4", frames=30)) as video:
        part = video[20:10:-5]
        assert isinstance(part, FrameList)
        assert part.rows == [20, 15]
        assert part.seconds.tolist() == [0.8, 0.6]
        assert video[5:5].rows == []
        assert video.frames([3, 3]).rows == [3, 3]


def test_a_video_that_is_gone_says_so(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=30)
    with beam_scanner.video.open(path) as video:
        Path(path).unlink()
        page = video._repr_html_()
    assert "cannot be shown" in page
    assert "does not exist" in page
