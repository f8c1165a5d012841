"""Videos in formats of one's own."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    ScannerException,
    StreamNotFoundError,
    VideoError,
)
from beam_scanner.graph.builder import IOGenerator, OpGenerator, StreamsGenerator
from beam_scanner.kernels import register_python_op
from beam_scanner.kernels.pickling import dumps_graph, loads_graph
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.prepare import prepare
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.streams.formats import (
    FormatIndex,
    FormatReader,
    FormatStream,
    ImageFolder,
    NumpyStack,
    VideoFormat,
    _natural,
)
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.types import ColumnType, FrameType
from beam_scanner.types.image_files import encode_image
from tests.support.video_fixtures import frame_number, numbered_frame

ROWS = 24


@register_python_op(name="FormatsNumber")
def number(config: Any, frame: FrameType) -> Any:
    return frame_number(frame)


@dataclass(frozen=True)
class Deltas(VideoFormat):
    """A frame differs from the one before by a number; every ``gop``-th is whole."""

    gop: int = 8

    def index(self, path: str) -> FormatIndex:
        rows = os.path.getsize(path)
        entries = np.arange(0, rows, self.gop)
        return FormatIndex(rows, np.arange(rows) / 10, entries)

    def open(self, path: str) -> FormatReader:
        OPENED.append(path)
        return DeltaReader(Path(path).read_bytes(), self.gop)


OPENED: list[str] = []
CLOSED: list[FormatReader] = []


class DeltaReader(FormatReader):
    """Decodes from the last whole frame, or on from where it is."""

    def __init__(self, data: bytes, gop: int) -> None:
        self.data = data
        self.gop = gop
        self.at = -1
        self.value = 0
        self.decoded = 0

    def read(self, rows: Sequence[int]) -> Sequence[Any]:
        return [self.frame(row) for row in rows]

    def frame(self, row: int) -> Any:
        entry = row - row % self.gop
        if not entry <= self.at <= row:
            self.at = entry - 1
        for at in range(self.at + 1, row + 1):
            self.value = self.data[at] + (self.value if at % self.gop else 0)
            self.decoded += 1
        self.at = row
        # A view, as of a buffer or a file, that may not be written to.
        frame = numbered_frame(self.value)[:]
        frame.flags.writeable = False
        return frame

    def close(self) -> None:
        CLOSED.append(self)


def deltas(path: Path) -> Path:
    values = [row * 10 for row in range(ROWS)]
    data = [v - (values[i - 1] if i % 8 else 0) for i, v in enumerate(values)]
    path.write_bytes(bytes(data))
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    for row in range(ROWS):
        kind = ("png", "jpeg")[row % 2]
        data = encode_image(numbered_frame(row * 10), kind)
        (path / f"page {row}.{kind.upper() if row == 3 else kind}").write_bytes(data)
    (path / "notes.txt").write_text("no picture")
    return path


def stack(path: Path) -> Path:
    np.save(path, np.stack([numbered_frame(row * 10) for row in range(ROWS)]))
    return path


@pytest.fixture(scope="module", params=["deltas", "folder", "stack"])
def stream(request: Any, tmp_path_factory: pytest.TempPathFactory) -> FormatStream:
    root = tmp_path_factory.mktemp("formats")
    if request.param == "deltas":
        return FormatStream("d", deltas(root / "d.bin"), Deltas())
    if request.param == "folder":
        return FormatStream("f", folder(root / "f"), ImageFolder(rate=10))
    return FormatStream("s", stack(root / "s.npy"), NumpyStack(rate=10))


def test_rows_and_times(stream: FormatStream) -> None:
    assert stream.committed()
    assert stream.readable()
    assert not stream.writable()
    assert stream.column_type() is ColumnType.Video
    assert stream.len() == ROWS
    assert [frame_number(f) for f in stream.load()] == [r * 10 for r in range(ROWS)]
    assert [frame_number(f) for f in stream.load(rows=[9, 0, 9])] == [90, 0, 90]
    assert [frame_number(f) for f in stream.load_bytes([3, 4])] == [30, 40]
    with stream.reader() as reader:
        assert reader.seconds(np.array([5, 0])).tolist() == [0.5, 0.0]
        assert reader.frame_bytes == 48 * 64 * 3
        frames = reader.read([1, 2])
        assert frames[0] is not frames[1]
        for frame in frames:
            assert frame.flags.writeable
        assert reader.counters()["frames_decoded"] == 2
        with pytest.raises(RowError, match=r"row 24 is outside stream '.' of 24 rows"):
            reader.read([24])


@given(rows=st.sets(st.integers(0, ROWS - 1)), reopen=st.booleans())
def test_any_rows(stream: FormatStream, rows: set[int], reopen: bool) -> None:
    with stream.reader() as first, first.reopen() as other:
        found = (other if reopen else first).read(sorted(rows))
        assert [frame_number(f) for f in found] == [r * 10 for r in sorted(rows)]


def test_streams_travel(stream: FormatStream) -> None:
    stream.len()
    for copy in (pickle.loads(pickle.dumps(stream)), loads_graph(dumps_graph(stream))):
        assert copy.fingerprint() == stream.fingerprint()
        assert frame_number(next(copy.load(rows=[2]))) == 20


def test_in_a_graph(stream: FormatStream, tmp_path: Path) -> None:
    storage = NamedStorage(str(tmp_path))
    output = NamedStream(storage, "numbers")
    io, ops = IOGenerator(storage), OpGenerator(storage)
    streams = StreamsGenerator(storage)
    frames = streams.Gather(io.Input([stream]), [[20, 3, 4, 3]])
    outputs = [io.Output(ops.FormatsNumber(frame=frames), [output])]
    prepared = prepare(outputs, PerfParams.manual(2, 4), CacheMode.Overwrite, storage)
    flags = pipeline_options(["--direct_running_mode=in_memory"])
    execute(prepared, storage, flags, False)
    assert list(output.load()) == [200, 30, 40, 30]
    with output.reader() as reader:
        assert reader.seconds(np.arange(4)).tolist() == [2.0, 0.3, 0.4, 0.3]


def test_positions_have_readers_of_their_own(tmp_path: Path) -> None:
    path = deltas(tmp_path / "d.bin")
    stream = FormatStream("d", path, Deltas())
    stream.len()
    OPENED.clear()
    CLOSED.clear()
    with stream.reader() as reader, reader.reopen() as other:
        assert reader.keyframes is not None
        assert reader.keyframes.tolist() == [0, 8, 16]
        for row in range(4):
            reader.read([row])
            other.read([row + 12])
        assert set(OPENED) == {str(path)}
        assert len(OPENED) == 2
    decoded = sorted(reader.decoded for reader in CLOSED)  # type: ignore[attr-defined]
    assert decoded == [4, 8]


def test_fingerprints_follow_content_and_settings(tmp_path: Path) -> None:
    path = folder(tmp_path / "a")
    first = FormatStream("x", path, ImageFolder()).fingerprint()
    same = tmp_path / "b"
    same.mkdir()
    for file in path.iterdir():
        (same / file.name).write_bytes(file.read_bytes())
    assert FormatStream("y", same, ImageFolder()).fingerprint() == first
    others = {first, FormatStream("x", same, ImageFolder(rate=5)).fingerprint()}
    picture = same / "page 5.jpeg"
    picture.write_bytes(encode_image(numbered_frame(7), "jpeg"))
    others.add(FormatStream("x", same, ImageFolder()).fingerprint())
    picture.rename(same / "page 99.jpeg")
    others.add(FormatStream("x", same, ImageFolder()).fingerprint())
    file = deltas(tmp_path / "d.bin")
    others |= {FormatStream("x", file, Deltas(gop)).fingerprint() for gop in (4, 8)}
    assert len(others) == 6


def test_pictures_are_in_the_order_of_their_numbers() -> None:
    names = ["a2b10", "a2b9", "a10b1", "b", "a", "2", "10", "a02b9", "01", "1"]
    assert sorted(names, key=_natural) == [
        *("01", "1", "2", "10", "a", "a02b9", "a2b9", "a2b10", "a10b1", "b")
    ]


@pytest.mark.parametrize("shape", [(3, 4, 6), (3, 4, 6, 1), (3, 4, 6, 4), (0, 4, 6)])
def test_stacks(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = np.arange(np.prod(shape), dtype=">f4").reshape(shape)
    np.save(tmp_path / "a.npy", data)
    stream = FormatStream("a", tmp_path / "a.npy", NumpyStack())
    found = list(stream.load())
    assert len(found) == shape[0]
    for frame, wanted in zip(found, data, strict=True):
        assert frame.dtype == data.dtype
        np.testing.assert_array_equal(frame, wanted.reshape(frame.shape))
    with stream.reader() as reader:
        assert np.isnan(reader.seconds(np.arange(shape[0]))).all()


def written(path: Path, what: str) -> Path:
    if what == "objects":
        np.save(path, np.array([None]), allow_pickle=True)
    elif what == "flat":
        np.save(path, np.zeros((3, 4)))
    elif what == "cut":
        stack(path)
        path.write_bytes(path.read_bytes()[:1000])
    elif what == "text":
        path.write_text("no array")
    return path


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("objects", "no array can be read from"),
        ("flat", r"has shape \(3, 4\): expected N x H x W \(x C\)"),
        ("cut", "no array can be read from"),
        ("text", "no array can be read from"),
    ],
)
def test_bad_stacks(tmp_path: Path, what: str, message: str) -> None:
    path = written(tmp_path / "a.npy", what)
    with pytest.raises(VideoError, match=message):
        FormatStream("a", path, NumpyStack()).len()


def test_bad_folders(tmp_path: Path) -> None:
    missing = FormatStream("a", tmp_path / "no", ImageFolder())
    assert not missing.exists()
    with pytest.raises(StreamNotFoundError):
        next(missing.load())
    with pytest.raises(VideoError, match=r"no folder of images .*No such file"):
        missing.len()
    with pytest.raises(VideoError, match="has no PNG or JPEG file"):
        FormatStream("a", tmp_path, ImageFolder()).len()
    path = folder(tmp_path / "f")
    (path / "page 7.jpeg").write_bytes(b"no picture")
    stream = FormatStream("a", path, ImageFolder())
    assert frame_number(next(stream.load(rows=[6]))) == 60
    with pytest.raises(VideoError, match=r"page 7.jpeg': 10 bytes that start with"):
        next(stream.load(rows=[7]))


@dataclass(frozen=True)
class Told(VideoFormat):
    """Says what it is told to."""

    told: Any = None
    frames: Any = ()

    def index(self, path: str) -> FormatIndex:
        if isinstance(self.told, Exception):
            raise self.told
        found: FormatIndex = self.told
        return found

    def open(self, path: str) -> FormatReader:
        if isinstance(self.frames, Exception):
            raise self.frames
        return ToldReader(self.frames)

    def fingerprint(self, path: str) -> str:
        return f"{path} has not changed"


class ToldReader(FormatReader):
    def __init__(self, frames: Any) -> None:
        self.frames = frames

    def read(self, rows: Sequence[int]) -> Sequence[Any]:
        if isinstance(self.frames[rows[0]], Exception):
            raise self.frames[rows[0]]
        return [self.frames[row] for row in rows if row < len(self.frames)]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (None, "expected a FormatIndex, got None"),
        (FormatIndex(-1), "rows must be a whole number from 0, got -1"),
        (FormatIndex(1.5), "rows must be a whole number"),  # type: ignore[arg-type]
        (FormatIndex(2, np.zeros(3)), r"seconds must be 2 numbers, got shape \(3,\)"),
        (FormatIndex(9, None, np.array([1, 3])), "entries must rise from 0 to at most"),
        (FormatIndex(9, None, np.array([0, 9])), "entries must rise from 0 to at most"),
        (FormatIndex(9, None, np.array([0, 3, 3])), "entries must rise from 0"),
        (FormatIndex(9, None, np.array([], int)), "entries must rise from 0"),
        (KeyError("x"), "cannot index stream 'a': KeyError: 'x'"),
        (VideoError("as it is"), "^as it is$"),
    ],
)
def test_indexes_that_cannot_be(told: Any, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        FormatStream("a", "here", Told(told)).len()


FRAME = np.zeros((2, 3, 1))


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        (
            [[1]],
            ElementTypeError,
            r"row 0 of stream 'a': expected .* got '\[1\]'|\[1\]",
        ),
        ([FRAME[0]], ElementTypeError, r"row 0 of stream 'a': .* got 'shape \(3, 1\)'"),
        ([OSError("gone")], VideoError, "rows 0 to 0 of stream 'a': OSError: gone"),
        (OSError("gone"), VideoError, "cannot open stream 'a': OSError: gone"),
    ],
)
def test_frames_that_are_none(
    frames: Any, error: type[ScannerException], message: str
) -> None:
    with pytest.raises(error, match=message):
        FormatStream("a", "here", Told(FormatIndex(1), frames)).reader()


def test_frames_that_are_missing() -> None:
    stream = FormatStream("a", "here", Told(FormatIndex(3), [FRAME]))
    with pytest.raises(
        VideoError, match="rows 0 to 2 of stream 'a': got 1 frames for 3 rows"
    ):
        stream.reader().read([0, 1, 2])


def test_urls() -> None:
    stream = FormatStream("a", "x://b/c", Told(FormatIndex(1), [FRAME]))
    assert stream.path == "x://b/c"
    assert stream.exists()
    assert len(stream.fingerprint()) == 40
    assert not FormatStream("a", "x://b/c", Told(OSError("no net"))).exists()
    with pytest.raises(ArgumentError, match=r"NumpyStack needs a fingerprint\(path\)"):
        FormatStream("a", "x://b/c.npy", NumpyStack()).fingerprint()


def test_impossible_arguments() -> None:
    with pytest.raises(ArgumentError, match="expected a stream name"):
        FormatStream("", "x", ImageFolder())
    with pytest.raises(ArgumentError, match="must be a VideoFormat, got <class"):
        FormatStream("a", "x", ImageFolder)  # type: ignore[arg-type]
    for rate in (0, -1, float("nan"), float("inf")):
        for kind in (ImageFolder, NumpyStack):
            with pytest.raises(ArgumentError, match="rate must be positive"):
                kind(rate)
