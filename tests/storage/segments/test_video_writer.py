"""Segments of frames as they are written: as MP4 where that is exact or wanted."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from beam_scanner.errors import ElementTypeError, VideoError
from beam_scanner.storage import NamedStorage, NamedVideoStream
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.video_fixtures import numbered_frame, numbered_frames
from tests.support.video_segments import FRAME, LOSSLESS, same, write_segments


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (1, 1), (2, 1), (33, 2)])
@pytest.mark.parametrize("encoding", [Encoding(), Encoding("hevc"), LOSSLESS], ids=str)
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
    stream.save([frame[:, ::-1] for frame in frames], FrameType, encoding=LOSSLESS)
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
        Publication(
            "g2", write_segments(stream, frames, [3], LOSSLESS, generation="g2")
        )
    )
    assert [frame.shape[1] for frame in stream.load()] == [16, 16, 16, 18]


@pytest.mark.parametrize("frame", ["text", 7, None, b"x", np.array([None])])
@pytest.mark.parametrize("before", [0, 2])
def test_what_is_no_frame(storage, frame, before):
    stream = NamedVideoStream(storage, "v")
    frames = [np.zeros((4, 4, 3), np.uint8)] * before
    with pytest.raises(ElementTypeError, match=f"row {before} of stream 'v'"):
        stream.save([*frames, frame], FrameType, encoding=LOSSLESS)


def test_sizes_that_keep_changing_do_not_make_a_file_each(storage):
    stream = NamedVideoStream(storage, "v")
    frames = [np.full((4 + i % 5, 6, 3), i, np.uint8) for i in range(60)]
    stream.save(frames, FrameType, encoding=LOSSLESS)
    assert len(stream.files()) == 3
    assert all(map(same, stream.load(), frames))


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
