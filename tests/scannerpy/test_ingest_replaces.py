"""What ``ingest_videos(force=True)`` leaves when the new video is bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner import Client, ScannerException
from tests.support.video_fixtures import make_video


def test_a_bad_video_does_not_take_a_good_table_away(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    make_video(good, frames=7)
    bad.write_text("no video")
    sc = Client(db_path=str(tmp_path / "db"))
    sc.ingest_videos([("a", str(good))])
    with pytest.raises(ScannerException, match="All videos failed"):
        sc.ingest_videos([("a", str(bad))], force=True)
    assert sc.table("a").num_rows() == 7
    longer = tmp_path / "longer.mp4"
    make_video(longer, frames=9)
    sc.ingest_videos([("a", str(longer))], force=True)
    assert sc.table("a").num_rows() == 9
