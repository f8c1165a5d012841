"""Columns of tables, of blobs and of video."""

import struct
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    StreamNotFoundError,
)
from beam_scanner.scannerpy.column import VideoMetadata
from beam_scanner.scannerpy.table import Tables
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.types import (
    NULL,
    ColumnType,
    FrameType,
    NumpyArray,
    get_type_info,
)
from beam_scanner.video.encoding import Encoding
from tests.support.tables import blobs
from tests.support.video_fixtures import frame_number, numbered_frames


def test_a_stream_of_blobs_has_one_column(
    storage: NamedStorage, tables: Tables
) -> None:
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    NamedStream(storage, "arrays").save([array, NULL, array + 1], NumpyArray)
    table = tables.table("arrays")
    assert table.column_names() == ["column"]
    assert table.num_rows() == 3
    column = table.column("column")
    assert (column.id(), column.type()) == (0, ColumnType.Blob)
    assert column.keyframes() == [0, 1, 2]
    loaded = list(column.load(rows=[2, 1, 0, 0]))
    assert loaded[1] == NULL
    for found, expected in zip(loaded[2:] + loaded[:1], [0, 0, 1], strict=True):
        np.testing.assert_array_equal(found, array + expected)
    sizes = list(column.load(fn=len, rows=[0]))
    assert sizes == [len(get_type_info(NumpyArray).serialize(array))]
    assert list(tables.sequence("arrays").load(ty=bytes, rows=[1])) == [NULL]
    with pytest.raises(RowError, match=r"row 3 .*'arrays' of 3 rows"):
        list(column.load(rows=[3]))
    with pytest.raises(
        ElementTypeError, match=r"'column' of table 'arrays'.*no frames"
    ):
        column.save_mp4("never.mp4")
    with pytest.raises(
        ArgumentError, match=r"Column frame not found in Table arrays: .* column$"
    ):
        table.column("frame")


def test_a_video_has_row_numbers_and_frames(
    storage: NamedStorage, tables: Tables, clip: str, tmp_path: Path
) -> None:
    NamedVideoStream(storage, "clip", path=clip).ingest()
    table = tables.table("clip")
    assert table.column_names() == ["index", "frame"]
    assert (table.id(), table.num_rows()) == (0, 30)
    index, frame = table.column("index"), table.column("frame")
    assert (index.id(), index.type()) == (0, ColumnType.Blob)
    assert (frame.id(), frame.type()) == (1, ColumnType.Video)
    assert list(index.load()) == [struct.pack("=Q", row) for row in range(30)]
    assert [*b"".join(index.load(rows=[7, 3, 3]))[::8]] == [7, 3, 3]
    assert list(index.load(fn=bytes.hex, rows=[258 % 30])) == ["1200000000000000"]
    assert list(index.load(ty=bytes, rows=[1])) == [b"\1" + bytes(7)]
    assert index.keyframes() == list(range(30))
    with pytest.raises(RowError, match=r"row 30 .*'clip' of 30 rows"):
        list(index.load(rows=[30]))
    assert frame.keyframes() == [0, 12, 24]
    assert [frame_number(f) for f in frame.load(rows=[29, 0, 13])] == [29, 0, 13]
    both = list(table.load(["frame", "index"], rows=iter([4, 2])))
    assert [(frame_number(f), i[0]) for f, i in both] == [(4, 4), (2, 2)]
    assert tables.sequence("clip").name() == "frame"
    saved = frame.save_mp4(tmp_path / "copy")
    assert saved == str(tmp_path / "copy.mp4")
    NamedVideoStream(storage, "again", path=saved).ingest()
    assert tables.table("again").num_rows() == 30
    with pytest.raises(ElementTypeError, match="'index'"):
        index.save_mp4(tmp_path / "never")
    with pytest.raises(ArgumentError, match="Ingested videos do not have profile data"):
        table.profiler()
    with pytest.raises(ArgumentError, match="Table clip has no parent"):
        table.parent_rows()


def test_frames_that_a_graph_made_are_a_column_frame(
    storage: NamedStorage, tables: Tables
) -> None:
    NamedVideoStream(storage, "made").save(
        numbered_frames(10), FrameType, encoding=Encoding(keyframe_distance=4)
    )
    table = tables.table("made")
    assert table.column_names() == ["frame"]
    assert tables.sequence("made").id() == 0
    keyframes = table.column("frame").keyframes()
    assert keyframes[0] == 0
    assert max(np.diff([*keyframes, 10])) <= 4
    assert [frame_number(f) for f in table.column("frame").load(rows=[9, 1])] == [9, 1]


def test_video_metadata(storage: NamedStorage, tables: Tables, clip: str) -> None:
    NamedVideoStream(storage, "clip", path=clip).ingest()
    blobs(storage, "blobs", b"1")
    seconds = np.arange(10) / 10
    frames = list(numbered_frames(10))
    NamedVideoStream(storage, "made").save(frames, FrameType, seconds)
    NamedVideoStream(storage, "untimed").save(frames[:1], FrameType)
    NamedVideoStream(storage, "exact").save([np.zeros((4, 6, 1))] * 2, FrameType)
    names = ["clip", "blobs", "made", "untimed", "exact"]
    found = tables.video_metadata([tables.table(name) for name in names])
    inplace, blob, made, untimed, exact = found
    assert inplace is not None
    assert (inplace.name, inplace.codec, inplace.frames) == ("clip", "h264", 30)
    assert (inplace.width, inplace.height, inplace.fps) == (64, 48, 25)
    assert inplace.duration_seconds == pytest.approx(1.2)
    assert blob is None
    assert made is not None
    assert (made.codec, made.width, made.height, made.frames) == ("h264", 64, 48, 10)
    assert made.fps == pytest.approx(10)
    assert made.duration_seconds == pytest.approx(1.0)
    assert untimed is not None
    assert (untimed.fps, untimed.duration_seconds) == (None, None)
    assert exact is not None
    assert (exact.codec, exact.frames) == ("", 2)
    with pytest.raises(StreamNotFoundError, match="'none'"):
        tables.video_metadata([tables.table("none")])


@pytest.mark.parametrize(
    ("fps", "time_base"),
    [
        (25.0, (1, 25)),
        (24000 / 1001, (1001, 24000)),
        (60000 / 1001, (1001, 60000)),
        (12.5, (2, 25)),
        (None, (0, 0)),
    ],
)
def test_the_time_base_is_that_of_the_rate(
    fps: float | None, time_base: tuple[int, int]
) -> None:
    found = VideoMetadata("a", "h264", 64, 48, 10, fps, None, 1)
    assert (found.time_base_num, found.time_base_denom) == time_base
