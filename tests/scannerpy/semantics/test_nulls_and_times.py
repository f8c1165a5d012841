"""Nulls, and the times of rows, from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    Kernel,
    NamedStream,
    NamedVideoStream,
    NullElement,
    SliceList,
    register_python_op,
)
from tests.support.semantics import run, times_of
from tests.support.video_fixtures import frame_number, make_video

# Nulls


@register_python_op(takes_nulls=True)
def SemSeesNull(config, x: Any) -> Any:
    return "null" if isinstance(x, NullElement) else x


@register_python_op(bounded_state=100)
class SemCount(Kernel):
    def reset(self):
        self.calls = 0

    def execute(self, x: Any) -> Any:
        assert not isinstance(x, NullElement)
        self.calls += 1
        return self.calls


@register_python_op(batch=4)
def SemBatchLength(config, x: Sequence[Any]) -> Sequence[Any]:
    assert not any(isinstance(v, NullElement) for v in x)
    return [(v, len(x)) for v in x]


@register_python_op()
def SemNothing(config, x: Any) -> Any:
    return None


@register_python_op()
def SemMakesNull(config, x: Any) -> Any:
    return NullElement() if x == 3 else x


def test_nulls_from_end_to_end(sc, frame):
    few = sc.streams.Range(frame, [(0, 4)])
    spaced = sc.streams.RepeatNull(few, [2])
    number = sc.ops.SemNumber(frame=spaced)
    made = {
        "frames": spaced.lossless(),
        "number": number,
        "sees": sc.ops.SemSeesNull(x=number),
        "count": sc.ops.SemCount(x=number),
        "batch": sc.ops.SemBatchLength(x=number),
        "pair": sc.ops.SemPair(x=number),
        "none": sc.ops.SemNothing(x=number),
        "empty": sc.ops.SemEmpty(x=number),
        "makes": sc.ops.SemMakesNull(x=number),
    }
    streams = {
        name: (NamedVideoStream if name == "frames" else NamedStream)(sc, name)
        for name in made
    }
    run(sc, [sc.io.Output(made[name], [streams[name]]) for name in made])
    null = NullElement()

    def alternating(values):
        return [v for value in values for v in (value, null)]

    loaded = {name: list(stream.load()) for name, stream in streams.items()}
    assert loaded["number"] == alternating([0, 1, 2, 3])
    assert loaded["sees"] == [0, "null", 1, "null", 2, "null", 3, "null"]
    assert loaded["count"] == alternating([1, 2, 3, 4])
    assert loaded["none"] == alternating([None] * 4)
    assert loaded["empty"] == alternating([b""] * 4)
    assert loaded["makes"] == [*alternating([0, 1, 2]), null, null]
    # The first row's window repeats the edge; all others hold a null.
    assert loaded["pair"] == [[0, 0]] + [null] * 7
    assert [v if v == null else v[0] for v in loaded["batch"]] == loaded["number"]
    frames = loaded["frames"]
    assert [isinstance(f, NullElement) for f in frames] == [False, True] * 4
    assert [frame_number(f) for f in frames[::2]] == [0, 1, 2, 3]
    # Read back as inputs they are nulls still, in any order.
    again = [NamedStream(sc, "again"), NamedVideoStream(sc, "again frames")]
    order = [[7, 6, 1, 0]]
    run(
        sc,
        [
            sc.io.Output(
                sc.streams.Gather(
                    sc.ops.SemSeesNull(x=sc.io.Input([streams["number"]])), order
                ),
                again[:1],
            ),
            sc.io.Output(
                sc.streams.Gather(sc.io.Input([streams["frames"]]), order), again[1:]
            ),
        ],
    )
    assert list(again[0].load()) == ["null", 3, "null", 0]
    found = list(again[1].load())
    assert [isinstance(f, NullElement) for f in found] == [True, False, True, False]
    assert [frame_number(f) for f in found[1::2]] == [3, 0]
    assert list(again[1].load(rows=[0])) == [null]


# Times


def test_times(sc, tmp_path):
    """Every row keeps the time of its frame; a join that of its first input."""
    pts = [1000 + 40 * i + (i % 3) * 11 for i in range(60)]
    seconds = [p / 1000 for p in pts]
    path = make_video(
        tmp_path / "vfr.mp4", 60, pts=pts, time_base=Fraction(1, 1000), gop=10
    )
    stream = NamedVideoStream(sc, "vfr", path=path)
    source = sc.io.Input([stream])
    number = sc.ops.SemNumber(frame=source)
    later = sc.streams.Range(source, [(10, 14)])
    earlier = sc.ops.SemNumber(frame=sc.streams.Range(source, [(0, 4)]))
    sliced = sc.streams.Slice(number, [sc.partitioner.ranges([(50, 54), (2, 6)])])
    inner = sc.streams.Range(sliced, [SliceList([(0, 2), (2, 4)])])
    cases = {
        "strided": (
            sc.streams.Range(sc.streams.Stride(number, [7]), [(0, 4)]),
            [0, 7, 14, 21],
        ),
        "gather": (sc.streams.Gather(source, [[9, 3, 3, 59]]), [9, 3, 3, 59]),
        "repeat": (
            sc.streams.Repeat(sc.streams.Gather(number, [[5, 8]]), [2]),
            [5, 5, 8, 8],
        ),
        "null": (
            sc.streams.RepeatNull(sc.streams.Gather(source, [[5, 8]]), [2]),
            None,
        ),
        "slice": (sc.streams.Unslice(inner), [50, 51, 4, 5]),
        "join": (sc.ops.SemPaint(frame=later, value=earlier), [10, 11, 12, 13]),
        "stencil": (
            sc.streams.Range(sc.ops.SemPair(x=number), [(20, 24)]),
            [20, 21, 22, 23],
        ),
        "state": (
            sc.streams.Range(sc.ops.SemTrack(x=number), [(20, 24)]),
            [20, 21, 22, 23],
        ),
        "drawn": (
            sc.streams.Range(
                sc.ops.SemPaint(frame=source, value=sc.ops.SemTrack(x=number)),
                [(30, 34)],
            ),
            [30, 31, 32, 33],
        ),
    }
    outputs = {
        name: (NamedVideoStream if column.type is None else NamedStream)(sc, name)
        for name, (column, _) in cases.items()
    }
    run(sc, [sc.io.Output(cases[name][0], [outputs[name]]) for name in cases])
    for name, (_, rows) in cases.items():
        found = times_of(outputs[name])
        if name == "null":
            assert found[::2] == pytest.approx([seconds[5], seconds[8]])
            continue
        assert found == pytest.approx([seconds[row] for row in rows]), name
    # A second graph over a stored stream still has the film's times.
    second = NamedStream(sc, "second")
    again = sc.ops.SemNumber(frame=sc.io.Input([outputs["gather"]]))
    run(sc, sc.io.Output(sc.streams.Gather(again, [[3, 1]]), [second]))
    assert times_of(second) == pytest.approx([seconds[59], seconds[3]])


def test_players_see_the_times(sc, tmp_path):
    """An MP4 that is written has its frames' own times where they increase."""
    av = pytest.importorskip("av")
    pts = [40 * i + (i % 3) * 11 for i in range(60)]
    path = make_video(
        tmp_path / "vfr.mp4", 60, pts=pts, time_base=Fraction(1, 1000), gop=10
    )
    source = sc.io.Input([NamedVideoStream(sc, "vfr", path=path)])
    output = NamedVideoStream(sc, "out")
    run(sc, sc.io.Output(sc.streams.Stride(source, [5]), [output]))
    output.save_mp4(str(tmp_path / "saved"))
    with av.open(str(tmp_path / "saved.mp4")) as container:
        shown = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode()]
    assert [frame_number(picture) for _, picture in shown] == list(range(0, 60, 5))
    expected = np.array(pts[::5]) / 1000
    times = np.array([time for time, _ in shown])
    assert np.allclose(times - times[0], expected - expected[0], atol=2e-3)
