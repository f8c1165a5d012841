"""Videos become tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_scanner import (
    Client,
    NamedStream,
    NamedVideoStream,
    ScannerException,
)
from beam_scanner.errors import StreamExistsError, VideoError
from tests.support.client_helpers import PROCESSES, files_of, open_client, work_left
from tests.support.damaged_videos import FRAMES, expected, who
from tests.support.video_fixtures import make_video


@pytest.fixture
def sc(tmp_path: Path) -> Client:
    return open_client(tmp_path / "db")


@pytest.mark.parametrize("verify", [False, True])
def test_ingest_strict(sc, damaged, whole, verify):
    videos = [("damaged", damaged), ("whole", whole)]
    tables, failures = sc.ingest_videos(videos, verify=verify, inplace=True)
    if not verify:
        assert [table.name() for table in tables] == ["damaged", "whole"]
        return
    assert [table.name() for table in tables] == ["whole"]
    ((path, reason),) = failures
    assert path == damaged
    assert "rows 22 to 29 (0.880 to 1.160 s) cannot be decoded, 8 of 40" in reason
    assert sc.bulk_fetch_video_metadata(tables)[0].verified
    assert not sc.has_table("damaged")


def test_ingest_salvage_in_processes(tmp_path, damaged, whole):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    sc = open_client(tmp_path / "db", PROCESSES)
    tables, failures = sc.ingest_videos(
        [("damaged", damaged), ("bad", str(bad)), ("whole", whole)], damage="salvage"
    )
    assert [path for path, _ in failures] == [str(bad)]
    assert "is not a file that FFmpeg can read" in failures[0][1]
    found = sc.bulk_fetch_video_metadata(tables)
    assert [(v.name, v.verified, v.lost) for v in found] == [
        ("damaged", True, 8),
        ("whole", True, 0),
    ]
    assert who(tables[0].column("frame").load()) == [expected(r) for r in range(FRAMES)]
    assert not any("ingest" in name for name in work_left(tmp_path / "db"))


@pytest.mark.parametrize("inplace", [False, True])
def test_copying_is_a_choice(sc, whole, inplace):
    (table,), _ = sc.ingest_videos([("a/b", whole)], inplace=inplace)
    stream = NamedVideoStream(sc, "a/b")
    copies = [name for name in files_of(sc.db_path) if name.endswith(".mp4")]
    assert len(copies) == (not inplace)
    assert (stream.files(".mp4") == [whole]) == inplace
    assert table.column_names() == ["index", "frame"]
    size = Path(whole).stat().st_size
    assert (stream.descriptor().size_bytes > size) == (not inplace)
    if inplace:
        return
    Path(whole).unlink()
    assert who(stream.load(rows=[39, 0])) == [39, 0]
    again = NamedVideoStream(sc, "a/b", path=whole)
    assert who(again.load(rows=[7])) == [7]
    assert again.ingest(verify=True).verified
    assert who(again.load(rows=[8])) == [8]
    saved = again.save_mp4(Path(sc.db_path).parent / "saved")
    assert len(NamedVideoStream(sc, "saved", path=saved).lost_rows()) == 0
    again.delete()
    assert not [name for name in files_of(sc.db_path) if name.endswith(".mp4")]


def test_another_content_at_the_path_of_a_copy_is_an_error(sc, whole):
    sc.ingest_videos([("a", whole)])
    make_video(whole, 12)
    with pytest.raises(VideoError, match="has changed since it was indexed"):
        NamedVideoStream(sc, "a", path=whole).len()
    assert NamedVideoStream(sc, "a").len() == FRAMES


def test_force_replaces_tables_of_every_kind(sc, whole, tmp_path):
    sc.new_table("columns", ["x", "y"], [[b"1", b"2"]])
    NamedStream(sc, "blobs").save([b"a"])
    sc.ingest_videos([("video", whole)])
    short = make_video(tmp_path / "short.mp4", 7)
    names = ["columns", "blobs", "video"]
    videos = [(name, short) for name in names]
    with pytest.raises(StreamExistsError, match="existing table columns"):
        sc.ingest_videos(videos)
    missing = [(name, str(tmp_path / "none.mp4")) for name in names]
    with pytest.raises(ScannerException, match="All videos failed"):
        sc.ingest_videos(missing, force=True)
    assert [sc.table(name).num_rows() for name in names] == [1, 1, FRAMES]
    tables, _ = sc.ingest_videos(videos, inplace=True, force=True)
    assert [table.num_rows() for table in tables] == [7, 7, 7]
    assert [table.id() for table in tables] == [1, 2, 3]
    left = files_of(sc.db_path)
    assert not [name for name in left if "columns/columns" in name or ".mp4" in name]
    assert np.sum(["index.bin" in name for name in left]) == 3
