import pytest

from beam_scanner.errors import RowError
from beam_scanner.storage import NamedStream, NamedVideoStream
from beam_scanner.types import NULL, ColumnType, FrameType
from tests.support.video_fixtures import frame_number, numbered_frames


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
