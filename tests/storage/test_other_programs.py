"""What a database holds is opened by others, without any code of this package."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner import protobufs, types
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, FrameType, get_type_info
from beam_scanner.video.encoding import Encoding
from tests.support.video_fixtures import frame_number, numbered_frames

duckdb = pytest.importorskip("duckdb")
pandas = pytest.importorskip("pandas")

HISTOGRAMS = [[np.arange(16, dtype=np.int32) + i] * 3 for i in range(30)]

# With letters that DuckDB takes for a pattern, and others for an address.
NAMES = ["h", "a b/Amélie [1080p].mp4", "50%*?.x", "日本/{1,2}", "it's"]


@pytest.fixture(params=NAMES)
def histograms(request, tmp_path):
    stream = NamedStream(NamedStorage(tmp_path / "my db"), request.param)
    info = get_type_info(types.Histogram)
    records = []
    for task, start in enumerate((0, 12)):
        stop = (12, 30)[task]
        writer = stream.segment_writer(SegmentTask("g", task, "a", start, None, info))
        elements = [info.serialize(h) for h in HISTOGRAMS[start:stop]]
        if task:
            elements[-1] = NULL  # type: ignore[call-overload]
        writer.write(start, elements, np.arange(start, stop) / 25)
        records.append(writer.finish())
    stream.publish(Publication("g", records))
    return stream


def test_pandas(histograms):
    frames = [pandas.read_parquet(file) for file in histograms.files()]
    table = pandas.concat(frames, ignore_index=True)
    assert table["row"].tolist() == list(range(30))
    assert table["time"].tolist() == [row / 25 for row in range(30)]
    for row in range(29):
        np.testing.assert_array_equal(np.stack(table["value"][row]), HISTOGRAMS[row])
    assert table["value"][29] is None


def test_duckdb(histograms):
    query = "select row, time, value[1][2] from read_parquet($files) order by row"
    found = duckdb.execute(query, {"files": histograms.files()}).fetchall()
    assert found[:29] == [(row, row / 25, 1 + row) for row in range(29)]
    assert found[29] == (29, 29 / 25, None)
    where = "select time from read_parquet($files) where row between 11 and 13"
    assert len(duckdb.execute(where, {"files": histograms.files()}).fetchall()) == 3


def test_duckdb_finds_a_generation_by_pattern(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "a b/c")
    stream.save([b"x", NULL, b""])
    query = f"select value from '{tmp_path}/a b/c/*.segments/*.parquet' order by row"
    assert duckdb.execute(query).fetchall() == [(b"x",), (None,), (b"",)]


@pytest.mark.parametrize(
    ("ty", "value", "query", "expected"),
    [
        (bytes, b"abc", "octet_length(value)", 3),
        (Any, {"a": 1}, "value.a", 1),
        (list[float], [0.5], "value[1]", 0.5),
        (types.NumpyArrayFloat32, np.array([1, 2.5], np.float32), "value[2]", 2.5),
        (types.NumpyArray, np.zeros((2, 3), np.int16), "value.shape", [2, 3]),
        (types.Bbox, protobufs.BoundingBox(x1=0.5), "value.x1", 0.5),
        (types.BboxList, [protobufs.BoundingBox(label=7)] * 2, "value[2].label", 7),
    ],
    ids=["bytes", "any", "list", "floats", "array", "box", "boxes"],
)
def test_typed_columns(tmp_path, ty, value, query, expected):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    stream.save([value], ty)
    found = duckdb.execute(
        f"select {query} from read_parquet($files)", {"files": stream.files()}
    ).fetchall()
    assert found == [(expected,)]
    assert len(pandas.read_parquet(stream.files()[0])) == 1


@pytest.mark.parametrize(
    "encoding", [Encoding(), Encoding("hevc"), Encoding("raw")], ids=str
)
@pytest.mark.parametrize("name", NAMES)
def test_a_player(tmp_path, encoding, name):
    """Every MP4 of a stream plays by itself, with the true times."""
    stream = NamedVideoStream(NamedStorage(tmp_path), name)
    frames = list(numbered_frames(24))
    times = np.cumsum([0.04, 0.08] * 12)
    info = get_type_info(FrameType)
    records = []
    for task, start in enumerate((0, 12)):
        writer = stream.segment_writer(
            SegmentTask("g", task, "a", start, encoding, info)
        )
        writer.write(start, frames[start : start + 12], times[start : start + 12])
        records.append(writer.finish())
    stream.publish(Publication("g", records))
    shown = []
    for file in stream.files(".mp4"):
        with av.open(f"file:{file}") as video:
            shown += [
                (frame_number(frame.to_ndarray(format="rgb24")), frame.time)
                for frame in video.decode(video=0)
            ]
    assert [number for number, _ in shown] == list(range(24))
    assert [time for _, time in shown] == pytest.approx(times, abs=1e-4)
    beside = pandas.concat([pandas.read_parquet(f) for f in stream.files(".parquet")])
    assert beside["row"].tolist() == list(range(24))
    assert beside["time"].tolist() == times.tolist()
    assert not beside["is_null"].any()


def test_frames_of_other_kinds(tmp_path):
    flow = np.random.default_rng(0).normal(size=(4, 6, 2)).astype(np.float32)
    stream = NamedVideoStream(NamedStorage(tmp_path), "flow")
    stream.save([flow, NULL], FrameType)
    table = pandas.read_parquet(stream.files()[0])
    value = table["value"][0]
    back = np.frombuffer(value["data"], value["dtype"]).reshape(value["shape"])
    np.testing.assert_array_equal(back, flow)
    assert table["value"][1] is None


def test_the_descriptor_is_plain_json(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "é")
    stream.save([b"x"])
    found = json.loads(Path(tmp_path, "é", "stream.json").read_text("utf-8"))
    assert (found["name"], found["rows"], found["format_version"]) == ("é", 1, 2)
    marker = json.loads(Path(tmp_path, "beam_scanner.json").read_text("utf-8"))
    assert marker["format_version"] == 2
