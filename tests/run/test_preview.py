"""Some rows of a column: as a run has them, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    Client,
    Kernel,
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    protobufs,
    register_python_op,
    types,
)
from beam_scanner.errors import (
    ArgumentError,
    JobFailure,
    RowError,
    UntrustedDataError,
)
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.kernels import registry
from beam_scanner.types import NULL, BboxList, FrameType
from beam_scanner.video.frame_list import FrameList
from tests.support.video_fixtures import frame_number, make_video


class PreviewNumber(Kernel):
    """The number of each frame, and which it was called for."""

    def __init__(self, config: Any, log: str = "") -> None:
        super().__init__(config)
        self.log = log

    def new_stream(self, plus: int = 0) -> None:
        self.plus = plus

    def execute(self, frame: FrameType) -> int:
        number = frame_number(frame)
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{number}\n")
        if number == 13:
            raise KeyError("thirteen")
        return number + self.plus


def preview_sum(config: Any, frame: Sequence[FrameType]) -> int:
    return sum(map(frame_number, frame))


def preview_box(config: Any, frame: FrameType) -> BboxList:
    return [protobufs.BoundingBox(x1=0.1, y1=0.1, x2=0.5, y2=0.5, score=0.5)]


@pytest.fixture
def sc(tmp_path: Path) -> Any:
    register_python_op()(PreviewNumber)
    register_python_op(stencil=[-1, 0, 1])(preview_sum)
    register_python_op()(preview_box)
    options = ["--direct_running_mode=in_memory"]
    with Client(db_path=str(tmp_path / "db"), options=options) as client:
        yield client
    for name in ("PreviewNumber", "preview_sum", "preview_box"):
        registry().remove(name)


@pytest.fixture
def frames(sc: Client, tmp_path: Path) -> OpColumn:
    videos = []
    for name, first, count in (("a", 0, 60), ("b", 100, 40)):
        path = make_video(tmp_path / f"{name}.mp4", count, gop=6, first_number=first)
        videos.append(NamedVideoStream(sc, name, path=path))
    return sc.io.Input(videos)


def test_only_the_rows_that_are_shown_are_computed(
    sc: Client, frames: OpColumn, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    found = sc.preview(sc.ops.PreviewNumber(frame=frames, log=str(log)), [40, 2, 2])
    assert list(found) == [40, 2, 2]
    assert (found[0], len(found), found.rows, found.length) == (40, 3, [40, 2, 2], 60)
    assert found.seconds.tolist() == [1.6, 0.08, 0.08]
    assert sorted(set(log.read_text().split())) == ["2", "40"]
    assert repr(found) == "<preview of PreviewNumber of a: 3 of 60 rows>"
    # Of results, nothing is left.
    assert not list(Path(sc.db_path).rglob("*.parquet"))
    assert not list(Path(sc.db_path).rglob("preview*"))


@pytest.mark.slow
def test_rows_are_those_of_a_run(sc: Client, frames: OpColumn) -> None:
    sampled = sc.streams.Stride(frames, [2, 3])
    arguments = {"plus": [1000, 2000]}
    column = sc.ops.PreviewNumber(frame=sc.streams.Range(sampled, (7, 12)), **arguments)
    outputs = [NamedStream(sc, f"out {n}") for n in (0, 1)]
    sc.run(sc.io.Output(column, outputs), show_progress=False)
    for stream in (0, 1):
        expected = list(outputs[stream].load())
        found = sc.preview(column, stream=stream)
        assert found.values == expected
        assert found.rows == list(range(5))
        assert found.title == f"PreviewNumber of {'ab'[stream]}"


@pytest.mark.slow
def test_windows_state_and_slices(sc: Client, frames: OpColumn) -> None:
    sums = sc.ops.preview_sum(frame=frames)
    assert sc.preview(sums, [0, 30]).values == [1, 90]
    boundaries = sc.ops.ShotBoundaries(histograms=sc.ops.Histogram(frame=frames))
    assert sc.preview(boundaries, [0, 1]).values[1] is None
    parts = sc.streams.Slice(frames, partitions=[sc.partitioner.all(20)] * 2)
    assert sc.preview(sc.ops.PreviewNumber(frame=parts), [59, 21]).values == [59, 21]
    nulls = sc.streams.RepeatNull(frames, [2, 2])
    first, second = sc.preview(nulls, [0, 1]).values
    assert frame_number(first) == 0
    assert second == NULL


def test_frames_are_exact(sc: Client, frames: OpColumn) -> None:
    found = sc.preview(frames, [50, 7])
    assert isinstance(found.values, FrameList)
    stored = NamedVideoStream(sc, "a")
    for frame, same in zip(found, stored.load(rows=[50, 7]), strict=True):
        assert np.array_equal(frame, same)
    assert found.values.montage(columns=2, width=16).shape == (12, 36, 3)
    assert "50 · 2.000 s" in found._repr_html_()
    flow = sc.preview(sc.ops.OpticalFlow(frame=frames), [3])
    assert flow[0].shape == (48, 64, 2)


def test_what_notebooks_show(sc: Client, frames: OpColumn) -> None:
    boxes = sc.preview(sc.ops.preview_box(frame=frames), on=frames)
    page = boxes._repr_html_()
    assert page.count("<rect") == page.count("<img") == 8
    assert "8 of 60 rows" in page
    numbers = sc.preview(sc.ops.Brightness(frame=frames))
    assert "<svg" in numbers._repr_html_()
    assert sc.preview(frames, [])._repr_html_().count("<img") == 0


def test_what_is_refused(sc: Client, frames: OpColumn) -> None:
    numbers = sc.ops.PreviewNumber(frame=frames)
    with pytest.raises(JobFailure, match="thirteen"):
        sc.preview(numbers, [13])
    with pytest.raises(RowError):
        sc.preview(numbers, [60])
    with pytest.raises(ArgumentError, match="at most 200 rows"):
        sc.preview(numbers, [0] * 201)
    with pytest.raises(ArgumentError, match="no stream 2: the graph is for 2"):
        sc.preview(numbers, stream=2)
    with pytest.raises(ArgumentError, match="must be a column of frames"):
        sc.preview(frames, on=numbers)
    wrong: Any = 7
    with pytest.raises(Exception, match="preview"):
        sc.preview(wrong)


def test_a_video_that_cannot_be_read(sc: Client, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no video")
    stream = NamedVideoStream(sc, "no", path=tmp_path / "no.mp4")
    with pytest.raises(JobFailure, match="not a file that FFmpeg can read"):
        sc.preview(sc.io.Input([stream]))


def test_nothing_of_others_is_unpickled(sc: Client, tmp_path: Path) -> None:
    theirs = NamedStorage(tmp_path / "theirs")
    NamedStream(theirs, "x").save([{1, 2}, object], types.Any)
    strange = NamedStorage(tmp_path / "theirs", trusted=False)
    column = sc.io.Input([NamedStream(sc, "x", storage=strange)])
    with pytest.raises((UntrustedDataError, JobFailure)):
        sc.preview(column)


def test_runs_elsewhere_are_previewed_here(sc: Client, frames: OpColumn) -> None:
    away = Client(
        db_path=sc.db_path, options=["--runner=FlinkRunner", "--flink_master=no:1"]
    )
    column = away.io.Input([NamedVideoStream(away, "a", path=_path_of(frames))])
    assert frame_number(away.preview(column, [7])[0]) == 7


def _path_of(frames: OpColumn) -> Any:
    node: Any = frames.node
    return node.streams[0].path
