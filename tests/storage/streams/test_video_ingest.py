import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import JobFailure, StreamExistsError, VideoError
from beam_scanner.storage import (
    NamedStorage,
    NamedVideoStorage,
    NamedVideoStream,
    gc,
    list_streams,
)
from beam_scanner.storage.streams import video_ingest
from beam_scanner.types import ColumnType, FrameType, get_type_info
from tests.support.video_fixtures import frame_number, make_video, numbered_frames


@pytest.fixture
def storage(tmp_path):
    return NamedVideoStorage(tmp_path / "db")


@pytest.fixture
def video(tmp_path):
    return make_video(tmp_path / "a.mp4", 30, gop=10)


def test_reads_the_file_where_it_is(storage, video):
    before = os.stat(video)
    content = Path(video).read_bytes()
    stream = NamedVideoStream(storage, "films/a", path=video)
    stream.ingest()
    assert stream.exists()
    assert stream.committed()
    assert stream.len() == 30
    assert stream.type() == get_type_info(FrameType)
    assert stream.column_type() is ColumnType.Video
    assert stream.files() == [video]
    assert stream.estimate_size() == 64 * 48 * 3
    rows = [29, 0, 0, 15, 14]
    assert [frame_number(frame) for frame in stream.load(rows=rows)] == rows
    with stream.reader() as reader:
        assert reader.keyframes.tolist() == [0, 10, 20]
        assert len(reader.gop_bytes) == 3
        assert reader.frame_bytes == 64 * 48 * 3
        assert reader.seconds(np.array([5, 0])).tolist() == [0.2, 0.0]
        assert [frame_number(frame) for frame in reader.read([3, 25])] == [3, 25]
        assert reader.counters()["frames_decoded"] == 4 + 6
    # Not the time of the last access, which reading may move.
    after = os.stat(video)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert Path(video).read_bytes() == content
    assert sum(p.stat().st_size for p in Path(storage.db_path).rglob("*")) < 40_000


def test_indexed_once_and_by_whoever_comes_first(storage, video, monkeypatch):
    calls = []
    real = video_ingest.index_video  # type: ignore[attr-defined]
    monkeypatch.setattr(
        video_ingest,
        "index_video",
        lambda path, *how: calls.append(path) or real(path, *how),  # type: ignore[func-returns-value]
    )
    for _ in range(3):
        stream = NamedVideoStream(storage, "a", path=video)
        stream.ingest()
        assert stream.len() == 30
        assert stream.committed()
        assert frame_number(next(stream.load())) == 0
        assert pickle.loads(pickle.dumps(stream)).len() == 30
    assert calls == [video]
    assert NamedVideoStream(storage, "a").len() == 30
    assert frame_number(next(NamedVideoStream(storage, "a").load(rows=[7]))) == 7


def test_constructing_never_fails_on_a_bad_path(storage, tmp_path):
    stream = NamedVideoStream(storage, "a", path=tmp_path / "none.mp4")
    assert not stream.exists()
    assert not stream.committed()
    for use in (stream.len, stream.ingest, lambda: next(stream.load())):
        with pytest.raises(VideoError, match=r"none\.mp4' does not exist"):
            use()
    assert list(list_streams(storage)) == []


@pytest.mark.parametrize("content", [b"", b"this is text, no video\n" * 50, None])
def test_bad_videos(storage, tmp_path, video, content):
    path = tmp_path / "bad.mp4"
    data = Path(video).read_bytes()
    path.write_bytes(data[: len(data) // 3] if content is None else content)
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        NamedVideoStream(storage, "a", path=path).len()
    assert not Path(storage.db_path, "a").exists()


def test_a_changed_file_is_an_error(storage, video):
    stream = NamedVideoStream(storage, "a", path=video)
    stream.ingest()
    reader = stream.reader()
    os.remove(video)
    make_video(video, 40)
    with pytest.raises(VideoError, match="has changed"):
        reader.read([0])
    with pytest.raises(VideoError, match="has changed"):
        next(NamedVideoStream(storage, "a").load())
    changed = NamedVideoStream(storage, "a", path=video)
    with pytest.raises(VideoError, match=r"has changed since it was indexed: ingest"):
        changed.len()
    changed.ingest(force=True)
    assert changed.len() == 40
    assert len(list(Path(storage.db_path, "a").glob("*.segments"))) == 1


def test_a_touched_or_moved_file_is_the_same(storage, video, tmp_path):
    stream = NamedVideoStream(storage, "a", path=video)
    before = stream.fingerprint()
    os.utime(video)
    assert NamedVideoStream(storage, "a", path=video).len() == 30
    moved = shutil.move(video, tmp_path / "b.mp4")
    with pytest.raises(VideoError, match="does not exist"):
        NamedVideoStream(storage, "a", path=video).len()
    again = NamedVideoStream(storage, "a", path=moved)
    assert frame_number(next(again.load())) == 0
    assert again.fingerprint() == before


def test_another_path_under_the_name_takes_its_place(storage, video, tmp_path):
    assert NamedVideoStream(storage, "a", path=video).ingest().rows == 30
    other = make_video(tmp_path / "b.mp4", 12)
    taken = NamedVideoStream(storage, "a", path=other)
    assert (taken.len(), taken.committed()) == (12, False)
    assert NamedVideoStream(storage, "a").files() == [video]
    taken.ingest()
    assert NamedVideoStream(storage, "a").files() == [other]


def test_rows_that_a_graph_wrote_are_not_replaced(storage, video):
    NamedVideoStream(storage, "a").save(numbered_frames(3), FrameType)
    with pytest.raises(StreamExistsError, match="'a' was written by a graph"):
        NamedVideoStream(storage, "a", path=video).len()
    assert NamedVideoStream(storage, "a").len() == 3


def test_relative_paths_are_kept_absolute(storage, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert NamedVideoStream(storage, "a", path="a.mp4").ingest().rows == 30
    monkeypatch.chdir("/")
    assert NamedVideoStream(storage, "a").files() == [video]
    assert frame_number(next(NamedVideoStream(storage, "a").load())) == 0


def test_delete_leaves_the_file(storage, video):
    stream = NamedVideoStream(storage, "a", path=video)
    stream.ingest()
    stream.delete()
    assert not stream.committed()
    assert stream.exists()
    assert stream.len() == 30
    assert os.path.exists(video)
    assert not Path(storage.db_path, "a").exists()
    stream.ingest()
    assert stream.len() == 30
    assert gc(storage).keys == ()
    assert next(stream.load()) is not None


def test_ingest_of_many_tries_all(storage, video, tmp_path):
    streams = [
        NamedVideoStream(storage, "bad", path=tmp_path / "none.mp4"),
        NamedVideoStream(storage, "good", path=video),
    ]
    with pytest.raises(
        JobFailure,
        match=r"1 of 2 streams failed, 1 is committed:\n  1 stream: video .*none\.mp4",
    ) as caught:
        storage.ingest(None, streams)
    assert [failure.stream for failure in caught.value.failures] == ["bad"]
    assert [found.name for found in list_streams(storage)] == ["good"]


def test_save_mp4_of_a_file(storage, video, tmp_path):
    path = NamedVideoStream(storage, "a", path=video).save_mp4(tmp_path / "copy")
    copy = NamedVideoStream(storage, "copy", path=path)
    assert [frame_number(frame) for frame in copy.load()] == list(range(30))


def test_a_plain_storage_will_do(tmp_path, video):
    stream = NamedVideoStream(NamedStorage(tmp_path / "db"), "a", video, True)
    assert isinstance(stream.storage(), NamedVideoStorage)
    assert stream.len() == 30
