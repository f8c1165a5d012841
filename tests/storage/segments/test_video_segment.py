"""Segments of frames as they are read."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import StorageError, VideoError
from beam_scanner.rows.gops import DecodePosition, keyframe_at
from beam_scanner.storage import NamedStorage, NamedVideoStream
from beam_scanner.storage.stored_rows import Publication
from beam_scanner.types import NULL, ColumnType, FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.storage_fakes import MemoryStore
from tests.support.video_fixtures import frame_number, numbered_frames
from tests.support.video_segments import FRAME, LOSSLESS, same, write_segments

_pixels = np.random.default_rng(7).integers(0, 256, (9, 7, 3), dtype=np.uint8)


_frames = st.one_of(
    st.just(NULL),
    st.integers(0, 255).map(lambda i: _pixels + np.uint8(i)),
    st.integers(0, 255).map(lambda i: (_pixels + np.uint8(i))[:8]),
    st.integers(0, 255).map(lambda i: _pixels[..., :1] + np.uint8(i)),
    st.integers(0, 255).map(lambda i: _pixels[:, :, ::-1] * np.float32(i)),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(_frames, st.integers(1, 18)), max_size=6),
    st.lists(st.integers(0, 60), max_size=3),
    st.data(),
)
def test_lossless_keeps_anything(runs, cuts, data):
    """Sizes, channels, dtypes and nulls that come and go, in any segments."""
    elements = [frame for frame, times in runs for _ in range(times)]
    storage = NamedStorage(MemoryStore(str(data.draw(st.uuids()))))
    storage.raw_store()._objects.clear()  # type: ignore[attr-defined]
    stream = NamedVideoStream(storage, "v")
    cuts = sorted(cut for cut in cuts if cut < len(elements))
    stream.publish(
        Publication(
            "g1", write_segments(stream, elements, cuts, LOSSLESS), "f", "r", "s"
        )
    )
    loaded = list(stream.load())
    assert len(loaded) == len(elements)
    assert all(map(same, loaded, elements))
    if not elements:
        return
    asked = data.draw(st.lists(st.integers(0, len(elements) - 1), max_size=20))
    for row, frame in zip(asked, stream.load(rows=asked), strict=True):
        assert same(frame, elements[row])
    with stream.reader() as reader:
        seconds = reader.seconds(np.array(asked, dtype=np.int64))
        assert seconds.tolist() == [row / 25 for row in asked]
        entries = reader.keyframes
        if entries is not None:
            assert entries[0] == 0
            assert (np.diff(entries) > 0).all()
            assert len(reader.gop_bytes) == len(entries)


def test_reading_counts_what_the_planner_predicts(storage):
    """Over segments too: the entries of the whole stream say what a row costs."""
    stream = NamedVideoStream(storage, "v")
    frames = list(numbered_frames(60))
    encoding = Encoding(quality=10, keyframe_distance=8)
    stream.publish(
        Publication(
            "g1",
            write_segments(stream, frames, [20, 27, 50], encoding),
            "f",
            "r",
            "s",
        )
    )
    rng = np.random.default_rng(3)
    for _ in range(10):
        rows = np.sort(rng.choice(60, size=rng.integers(1, 12), replace=False))
        with stream.reader() as reader:
            assert {0, 20, 27, 50} <= set(reader.keyframes.tolist())
            position = DecodePosition(reader.keyframes)
            predicted = sum(position.advance(int(row)) for row in rows)
            for frame, row in zip(reader.read(rows.tolist()), rows, strict=True):
                assert frame_number(frame) == row
            assert reader.counters()["frames_decoded"] == predicted
            touched = np.unique(keyframe_at(reader.keyframes, rows))
            expected = reader.gop_bytes[np.searchsorted(reader.keyframes, touched)]
            assert reader.counters()["bytes_read"] >= expected.sum()


def test_two_positions_do_not_disturb_each_other(storage):
    stream = NamedVideoStream(storage, "v")
    frames = list(numbered_frames(40))
    stream.publish(
        Publication(
            "g1", write_segments(stream, frames, [20], Encoding()), "f", "r", "s"
        )
    )
    with stream.reader() as reader, reader.reopen() as other:
        for row in range(20):
            assert frame_number(reader.read([row])[0]) == row
            assert frame_number(other.read([row + 20])[0]) == row + 20
        decoded = [r.counters()["frames_decoded"] for r in (reader, other)]
        assert sum(decoded) == 40


def test_frames_belong_to_the_caller(storage):
    stream = NamedVideoStream(storage, "v")
    stream.save(numbered_frames(5), FrameType, encoding=LOSSLESS)
    for frame in stream.load(rows=[1, 1, 2]):
        frame[:] = 0
    assert [frame_number(frame) for frame in stream.load(rows=[1, 1, 2])] == [1, 1, 2]
    exact = NamedVideoStream(storage, "x")
    exact.save([np.ones((2, 2, 1), np.uint8)] * 3, FrameType)
    for frame in exact.load(rows=[0, 0, 1]):
        assert frame.flags.owndata
        assert frame.all()
        frame[:] = 0


def test_all_null(storage):
    stream = NamedVideoStream(storage, "v")
    stream.save([NULL] * 3, FrameType, seconds=[0, 1, 2])
    assert list(stream.load()) == [NULL] * 3
    assert stream.column_type() is ColumnType.Video
    with stream.reader() as reader:
        assert reader.keyframes is None
        assert reader.seconds(np.array([2])).tolist() == [2.0]
    with pytest.raises(VideoError, match="has no frame to save"):
        stream.save_mp4("never")


def test_no_frames_at_all(storage):
    stream = NamedVideoStream(storage, "v")
    stream.save([], FrameType)
    assert stream.len() == 0
    assert list(stream.load()) == []
    assert stream.type() == FRAME
    stream = NamedVideoStream(storage, "w")
    stream.publish(Publication("g1", []))
    assert stream.type() == FRAME


def test_a_damaged_segment_is_an_error(tmp_path):
    stream = NamedVideoStream(NamedStorage(tmp_path), "v")
    stream.save(numbered_frames(10), FrameType)
    video, sidecar = stream.files()
    content = Path(video).read_bytes()
    with open(video, "wb") as file:
        file.write(content[: len(content) // 2])
    with pytest.raises(
        StorageError, match=r"00000000-0\.mp4' of stream 'v' is damaged"
    ):
        list(stream.load())
    with open(sidecar, "wb") as file:
        file.write(b"PAR1 no more")
    with pytest.raises(StorageError, match=r"rows\.parquet' of stream 'v' is damaged"):
        list(stream.load())
