from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError, RowError, StorageError, VideoError
from beam_scanner.rows.gops import DecodePosition, keyframe_at
from beam_scanner.storage import LocalStore, NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, ColumnType, FrameType, NullElement, get_type_info
from beam_scanner.video.encoding import Encoding
from tests.support.storage_fakes import MemoryStore
from tests.support.video_fixtures import frame_number, numbered_frame, numbered_frames

RAW = Encoding("raw", keyframe_distance=5)
FRAME = get_type_info(FrameType)


@pytest.fixture(params=["local", "memory"])
def storage(request, tmp_path):
    if request.param == "local":
        return NamedStorage(LocalStore(tmp_path / "db", durable=False))
    return NamedStorage(MemoryStore(str(tmp_path)))


def write_segments(stream, elements, cuts, encoding, seconds=None, generation="g1"):
    seconds = np.arange(len(elements)) / 25 if seconds is None else seconds
    edges = [0, *cuts, len(elements)]
    records = []
    for task, start in enumerate(edges[:-1]):
        stop = edges[task + 1]
        writer = stream.segment_writer(
            SegmentTask(generation, task, "a", start, encoding, FRAME)
        )
        writer.write(start, elements[start:stop], seconds[start:stop])
        records.append(writer.finish())
    return records


def same(one, other):
    if isinstance(one, NullElement) or isinstance(other, NullElement):
        return one == other
    return one.dtype == other.dtype and np.array_equal(one, other)


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
        Publication("g1", write_segments(stream, elements, cuts, RAW), "f", "r", "s")
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
        keyframes = reader.keyframes
        if keyframes is not None:
            assert keyframes[0] == 0
            assert (np.diff(keyframes) > 0).all()
            assert len(reader.gop_bytes) == len(keyframes)


def test_reading_counts_what_the_planner_predicts(storage):
    """Over segments too: the keyframes of the whole stream say what a row costs."""
    stream = NamedVideoStream(storage, "v")
    frames = list(numbered_frames(60))
    encoding = Encoding(quality=10, keyframe_distance=8)
    stream.publish(
        Publication(
            "g1", write_segments(stream, frames, [20, 27, 50], encoding), "f", "r", "s"
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
    stream.save(numbered_frames(5), FrameType, encoding=RAW)
    for frame in stream.load(rows=[1, 1, 2]):
        frame[:] = 0
    assert [frame_number(frame) for frame in stream.load(rows=[1, 1, 2])] == [1, 1, 2]
    exact = NamedVideoStream(storage, "x")
    exact.save([np.ones((2, 2, 1), np.uint8)] * 3, FrameType)
    for frame in exact.load(rows=[0, 0, 1]):
        assert frame.flags.owndata
        assert frame.all()
        frame[:] = 0


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (1, 1), (2, 1), (33, 2)])
@pytest.mark.parametrize("encoding", [Encoding(), Encoding("hevc"), RAW], ids=str)
def test_sizes_come_back(storage, size, encoding):
    stream = NamedVideoStream(storage, "v")
    if encoding.codec == "hevc" and min(size) < 32:
        frame = np.zeros((size[1], size[0], 3), np.uint8)
        with pytest.raises(VideoError, match="row 1 of stream 'v' cannot be encoded"):
            stream.save([frame] * 2, FrameType, encoding=encoding)
        return
    frames = [np.full((size[1], size[0], 3), i * 20, np.uint8) for i in range(5)]
    stream.save(frames, FrameType, encoding=encoding)
    assert [frame.shape for frame in stream.load()] == [(size[1], size[0], 3)] * 5
    found = stream.descriptor()
    assert (found.width, found.height) == size
    assert stream.estimate_size() == size[0] * size[1] * 3
    for frame, loaded in zip(frames, stream.load(), strict=True):
        assert np.abs(frame.astype(int) - loaded).max() <= (
            0 if encoding.lossless else 12
        )


def test_non_contiguous_frames(storage):
    stream = NamedVideoStream(storage, "v")
    frames = [numbered_frame(i)[::-1, ::-1][::-1, ::-1] for i in range(4)]
    assert frames[0].base is not None
    stream.save([frame[:, ::-1] for frame in frames], FrameType, encoding=RAW)
    for frame, loaded in zip(frames, stream.load(), strict=True):
        assert np.array_equal(frame[:, ::-1], loaded)


def test_lossy_size_change_names_the_row(storage):
    stream = NamedVideoStream(storage, "v")
    frames = [np.zeros((16, 16, 3), np.uint8)] * 3 + [np.zeros((16, 18, 3), np.uint8)]
    with pytest.raises(
        ElementTypeError, match=r"row 3 of stream 'v' is a uint8 array of "
    ):
        stream.save(frames, FrameType)
    with pytest.raises(
        ElementTypeError, match="row 3 of stream 'v' is a float64 array"
    ):
        stream.save([*frames[:3], np.zeros((16, 16, 3))], FrameType)
    records = write_segments(stream, frames, [3], Encoding())
    with pytest.raises(ElementTypeError, match="row 3 of stream 'v' is 18x16, earlier"):
        stream.publish(Publication("g1", records, "f", "r", "s"))
    assert not stream.committed()
    stream.publish(
        Publication("g2", write_segments(stream, frames, [3], RAW, generation="g2"))
    )
    assert [frame.shape[1] for frame in stream.load()] == [16, 16, 16, 18]


@pytest.mark.parametrize("frame", ["text", 7, None, b"x", np.array([None])])
@pytest.mark.parametrize("before", [0, 2])
def test_what_is_no_frame(storage, frame, before):
    stream = NamedVideoStream(storage, "v")
    frames = [np.zeros((4, 4, 3), np.uint8)] * before
    with pytest.raises(ElementTypeError, match=f"row {before} of stream 'v'"):
        stream.save([*frames, frame], FrameType, encoding=RAW)


def test_sizes_that_keep_changing_do_not_make_a_file_each(storage):
    stream = NamedVideoStream(storage, "v")
    frames = [np.full((4 + i % 5, 6, 3), i, np.uint8) for i in range(60)]
    stream.save(frames, FrameType, encoding=RAW)
    assert len(stream.files()) == 3
    assert all(map(same, stream.load(), frames))


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


def test_a_blob_stream_object_reads_video_too(storage):
    NamedVideoStream(storage, "v").save(numbered_frames(3), FrameType)
    stream = NamedStream(storage, "v")
    assert stream.column_type() is ColumnType.Video
    assert [frame_number(frame) for frame in stream.load()] == [0, 1, 2]
    NamedStream(storage, "b").save([b"x"])
    assert NamedVideoStream(storage, "b").column_type() is ColumnType.Blob


def test_fn_is_given_frames(storage):
    stream = NamedVideoStream(storage, "v")
    stream.save([*numbered_frames(3), NULL], FrameType)
    assert list(stream.load(fn=frame_number, rows=[2, 0, 3])) == [2, 0, NULL]
    with pytest.raises(RowError, match="row 4 is outside stream 'v' of 4 rows"):
        next(stream.load(rows=[4]))


def test_equal_frames_make_equal_files(tmp_path):
    """Also where they come in other packets."""
    files = []
    frames = [NULL, *numbered_frames(30), NULL]
    for name, step in (("a", 1), ("b", 7), ("c", 32)):
        stream = NamedVideoStream(NamedStorage(tmp_path / name), "v")
        writer = stream.segment_writer(SegmentTask("g1", 0, "a", 0, Encoding(), FRAME))
        for row in range(0, 32, step):
            chunk = frames[row : row + step]
            writer.write(row, chunk, np.arange(row, row + len(chunk)) / 25)
        stream.publish(Publication("g1", [writer.finish()]))
        files.append([Path(file).read_bytes() for file in stream.files()])
    assert len(files[0]) == 2
    assert files[0] == files[1] == files[2]


def test_true_times_are_kept_beside_the_video(tmp_path):
    """Also those that no player could show, such as a repeated frame's."""
    stream = NamedVideoStream(NamedStorage(tmp_path), "v")
    times = [0.0, 0.0, 0.1, np.nan, 5.0]
    stream.save([*numbered_frames(4), NULL], FrameType, seconds=times)
    with stream.reader() as reader:
        got = reader.seconds(np.arange(5))
    np.testing.assert_array_equal(got, times)
    table = pq.read_table(stream.files(".parquet")[0])
    assert table.column_names == ["row", "time", "is_null"]
    assert table.column("row").to_pylist() == [0, 1, 2, 3, 4]
    assert table.column("is_null").to_pylist() == [False] * 4 + [True]
    assert table.column("time").to_pylist() == [0.0, 0.0, 0.1, None, 5.0]


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


@pytest.mark.parametrize("encoding", [Encoding(), RAW], ids=["lossy", "lossless"])
@pytest.mark.parametrize("name", ["out", "out.mp4", "out.MP4"])
def test_save_mp4(storage, tmp_path, encoding, name):
    stream = NamedVideoStream(storage, "v")
    frames = [
        NULL,
        *numbered_frames(25),
        NULL,
        *(numbered_frame(i) for i in range(25, 40)),
    ]
    seconds = np.arange(len(frames)) / 10
    records = write_segments(stream, frames, [11, 30], encoding, seconds)
    stream.publish(Publication("g1", records))
    path = stream.save_mp4(tmp_path / name)
    assert path == str(tmp_path / ("out.MP4" if name == "out.MP4" else "out.mp4"))
    with av.open(path) as video:
        shown = list(video.decode(video=0))
    assert [frame_number(f.to_ndarray(format="rgb24")) for f in shown] == list(
        range(40)
    )
    times = [frame.time for frame in shown]
    kept = [s for s, frame in zip(seconds, frames, strict=True) if frame is not NULL]
    assert times == pytest.approx([time - kept[0] for time in kept], abs=1e-4)
    left = [p for p in tmp_path.iterdir() if p.name not in ("db", "out.mp4", "out.MP4")]
    assert left == []


def test_save_mp4_scaled_and_faster(storage, tmp_path):
    stream = NamedVideoStream(storage, "v")
    stream.save(numbered_frames(20), FrameType, seconds=np.arange(20) / 10)
    path = stream.save_mp4(str(tmp_path / "small"), fps=50, scale=(128, 96))
    with av.open(path) as video:
        shown = list(video.decode(video=0))
    assert [frame_number(f.to_ndarray(format="rgb24")) for f in shown] == list(
        range(20)
    )
    assert (shown[0].width, shown[0].height) == (128, 96)
    assert shown[19].time == pytest.approx(19 / 50)


def test_save_mp4_of_what_is_no_video(storage, tmp_path):
    stream = NamedVideoStream(storage, "v")
    stream.save([np.zeros((4, 4, 2), np.float32)], FrameType)
    with pytest.raises(
        VideoError, match="stream 'v' from 0 on are not stored as video"
    ):
        stream.save_mp4(tmp_path / "x")
    stream.save(numbered_frames(2), FrameType)
    with pytest.raises((StorageError, VideoError), match="no/such/folder"):
        stream.save_mp4(tmp_path / "no/such/folder/x")
