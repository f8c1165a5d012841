"""What samplers, slices, ops and sinks of a pipeline give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from beam_scanner import SliceList
from beam_scanner.transforms import (
    FrameKey,
    Gather,
    Histogram,
    Montage,
    Op,
    Range,
    Ranges,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    Repeat,
    RepeatNull,
    ShotBoundaries,
    Slice,
    Streams,
    Stride,
    StridedRange,
    StridedRanges,
    Unslice,
    WriteToNamedStream,
    WriteToNamedVideo,
    partitioner,
)
from beam_scanner.types import NULL
from tests.support.pipeline_kernels import (
    Add,
    Batch,
    Count,
    Halves,
    Minus,
    Number,
    Rank,
    Recent,
    Unlike,
    Window,
)
from tests.support.pipeline_runs import FRAMES, Run, save, stream, video
from tests.support.video_fixtures import frame_number

ROWS = 20


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Streams ``x/a`` of 0 to 19 and ``x/b`` of 100 to 119."""
    for number, name in enumerate("ab"):
        save(tmp_path, f"x/{name}", range(100 * number, 100 * number + ROWS), int)
    return tmp_path


def numbers(run: Run, db: Path, name: str = "x/a") -> Streams:
    return run.pipeline | ReadFromNamedStream(str(db), name, type=int)


def elements(
    name: str, values: list[Any], group: int = 0
) -> list[tuple[FrameKey, Any]]:
    return [(FrameKey(name, group, row), value) for row, value in enumerate(values)]


@pytest.fixture
def run() -> Run:
    return Run()


def test_samplers(run: Run, db: Path) -> None:
    x = numbers(run, db)
    wanted = {
        "stride": (x | Stride(8), [0, 8, 16]),
        "range": (x | Range(17, 99), [17, 18, 19]),
        "ranges": (x | Ranges([(4, 6), (3, 5)]), [4, 5, 3, 4]),
        "strided": (x | StridedRange(1, 12, 5), [1, 6, 11]),
        "stridings": (x | StridedRanges([(0, 5), (3, 9)], 4), [0, 4, 3, 7]),
        "gather": (x | Gather([5, 0, 5]), [5, 0, 5]),
        "repeat": (x | "Few" >> Range(0, 2) | Repeat(2), [0, 0, 1, 1]),
        "nulls": (x | "Two" >> Range(3, 5) | RepeatNull(2), [3, None, 4, None]),
        "nothing": (x | "None" >> Range(5, 5), []),
    }
    for name, (streams, _) in wanted.items():
        run.keep(name, streams)
    run.run()
    for name, (_, values) in wanted.items():
        assert run.rows(name) == elements("x/a", values), name
    # Each row has the time of the one that it was taken from.
    times = [key.pts_seconds for key, _ in run.timed("ranges")]
    assert times == [1.0, 1.25, 0.75, 1.0]
    assert [key.pts_seconds for key, _ in run.timed("nulls")] == [0.75, 0.75, 1.0, 1.0]


def test_slices(run: Run, db: Path) -> None:
    groups = numbers(run, db) | Slice(partitioner.ranges([(0, 4), (2, 5), (8, 8)]))
    run.keep("groups", groups)
    counted = groups | Count(start=10, add=SliceList([0, 100, 200]))
    run.keep("counted", counted.ret0)
    chosen = counted.ret1 | Stride(SliceList([3, 2, 1]))
    run.keep("chosen", chosen)
    run.keep("joined", chosen | Unslice())
    run.keep("all", (groups | "Plain" >> Count()).ret0)
    run.run()
    assert run.rows("groups") == [
        *elements("x/a", [0, 1, 2, 3], group=0),
        *elements("x/a", [2, 3, 4], group=1),
    ]
    assert run.rows("counted") == [
        *elements("x/a", [11, 12, 13, 14], group=0),
        *elements("x/a", [111, 112, 113], group=1),
    ]
    assert run.rows("chosen") == [
        *elements("x/a", [0, 3], group=0),
        *elements("x/a", [2, 4], group=1),
    ]
    assert [key.pts_seconds for key, _ in run.timed("chosen")] == [0, 0.75, 0.5, 1]
    assert run.rows("joined") == elements("x/a", [0, 3, 2, 4])
    assert [value for _, value in run.rows("all")] == [1, 2, 3, 4, 1, 2, 3]


def test_slice_lists_of_ranges(run: Run, db: Path) -> None:
    groups = numbers(run, db) | Slice(partitioner.all(10))
    wanted = {
        "range": (groups | Range(SliceList([0, 8]), 9), [[*range(9)], [18]]),
        "ranges": (
            groups | Ranges(SliceList([[(0, 2)], [(1, 2), (0, 1)]])),
            [[0, 1], [11, 10]],
        ),
        "strided": (
            groups | StridedRange(1, 10, SliceList([4, 9])),
            [[1, 5, 9], [11]],
        ),
        "stridings": (
            groups | StridedRanges([(0, 4)], SliceList([3, 2])),
            [[0, 3], [10, 12]],
        ),
        "gather": (groups | Gather(SliceList([[3], [2, 1]])), [[3], [12, 11]]),
        "repeat": (
            groups | "Row" >> Range(2, 3) | Repeat(SliceList([1, 2])),
            [[2], [12, 12]],
        ),
    }
    for name, (streams, _) in wanted.items():
        run.keep(name, streams)
    run.run()
    for name, (_, (first, second)) in wanted.items():
        assert run.rows(name) == [
            *elements("x/a", first, group=0),
            *elements("x/a", second, group=1),
        ], name


def test_kernels_of_every_kind(run: Run, db: Path) -> None:
    x = numbers(run, db) | Range(0, 9)
    groups = x | Slice(partitioner.all(6))
    run.keep("window", x | Window())
    run.keep("wide", x | "Wide" >> Window(stencil=[-2, 5], stencil_edge="null"))
    run.keep("window in groups", groups | "Near" >> Window())
    run.keep("batch", x | Batch(batch=3))
    run.keep("recent", x | Stride(3) | Recent())
    run.keep("recent in groups", groups | "Recent" >> Recent())
    run.keep("rank", x | Gather([7, 2, 4]) | Rank())
    run.keep("count", (x | Count()).ret0)
    run.run()
    values = {
        name: [value for _, value in run.rows(name)]
        for name in ("window", "wide", "batch", "recent", "rank", "count")
    }
    assert values["window"] == [[max(r - 1, 0), r, min(r + 1, 8)] for r in range(9)]
    inside = [[r - 2, r + 5] if 2 <= r < 4 else None for r in range(9)]
    assert values["wide"] == inside
    assert [value for _, value in values["batch"]] == list(range(9))
    assert {size for size, _ in values["batch"]} <= {1, 2, 3}
    assert values["recent"] == [[0], [0, 3], [0, 3, 6]]
    assert values["rank"] == [2, 0, 1]
    assert values["count"] == list(range(1, 10))
    assert run.rows("window in groups")[5:7] == [
        (FrameKey("x/a", 0, 5), [4, 5, 5]),
        (FrameKey("x/a", 1, 0), [6, 6, 7]),
    ]
    assert [v for _, v in run.rows("recent in groups")][5:8] == [
        [3, 4, 5],
        [6],
        [6, 7],
    ]


def test_phases(run: Run, films: Path, db: Path) -> None:
    """What comes after a whole stream is planned when that is there."""
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4")
    shots = frames | Histogram() | ShotBoundaries()
    run.keep_written("shots", shots | WriteToNamedStream(str(db), "shots/{stream}"))
    ranks = numbers(run, db) | Rank()
    sums = [ranks, ranks | "Turned" >> Gather(range(ROWS - 1, -1, -1))] | Add()
    ranked = sums | "Rank again" >> Rank()
    run.keep("sums", sums)
    sink = WriteToNamedStream(str(db), "ranked")
    run.keep_written("ranked", ranked | "Write ranks" >> sink)
    run.keep("counts", (ranked | "Count" >> Count()).ret0)
    run.run()
    assert run.commits("shots") == ["shots/a.mp4", "shots/b.mp4"]
    assert run.failures("shots") == {}
    assert list(stream(db, "ranked").load()) == [0] * ROWS
    assert [value for _, value in run.rows("sums")] == [ROWS - 1] * ROWS
    assert [value for _, value in run.rows("counts")] == list(range(1, ROWS + 1))
    assert run.counters["frames_decoded"] == 2 * FRAMES


def test_several_outputs(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Stride(9)
    halves = frames | Halves()
    assert halves._fields == ("ret0", "ret1")
    halves.ret1 | WriteToNamedVideo(str(db), "halves/{stream}")
    run.keep("number", halves.ret0)
    run.run()
    assert run.rows("number") == [
        *elements("a.mp4", list(range(0, FRAMES, 9))),
        *elements("b.mp4", list(range(100, 100 + FRAMES, 9))),
    ]
    shapes = {frame.shape for frame in video(db, "halves/b.mp4").load()}
    assert shapes == {(24, 64, 3)}


def test_branches_of_one_source(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4")
    early, late = frames | "Early" >> Range(0, 5), frames | "Late" >> Range(60, 65)
    run.keep("unlike", {"right": early, "left": late} | Unlike())
    n, m = early | Number(), late | "Number late" >> Number()
    run.keep("in order", (m, n) | Minus())
    run.keep("sum", [n, m, n] | Add())
    run.keep("one", [n] | "One" >> Add())
    run.keep("alone", n | "Alone" >> Add())
    run.run()
    for name in "unlike", "in order":
        found = run.rows(name)
        assert found == elements("a.mp4", [60] * 5) + elements("b.mp4", [60] * 5), name
    assert run.rows("sum")[:5] == elements("a.mp4", [3 * r + 60 for r in range(5)])
    assert run.rows("one") == run.rows("alone")
    assert run.rows("one")[:5] == elements("a.mp4", list(range(5)))


def test_sources_are_joined_by_name(run: Run, films: Path, db: Path) -> None:
    """Three sources, of which only ``a`` is everywhere."""
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4", name=_stem) | Range(0, 20)
    save(db, "y/a", range(20, 40), int)
    x = run.pipeline | ReadFromNamedStream(str(db), "x/*", int, name=_last)
    names = run.pipeline | beam.Create(["y/a"])
    y = names | ReadAllFromNamedStream(str(db), int, name=_last)
    total = [frames | Number(), x, y] | Add()
    run.keep_written("sum", total | WriteToNamedStream(str(db), "sum/{stream}"))
    both = {"left": x, "right": frames | "Number again" >> Number()} | Minus()
    run.keep("both", both)
    run.run()
    assert list(stream(db, "sum/a").load()) == [3 * r + 20 for r in range(ROWS)]
    assert run.commits("sum") == ["sum/a"]
    assert list(run.failures("sum")) == ["b"]
    assert "has no stream 'b' to join" in run.failures("sum")["b"]
    assert run.rows("both") == elements("a", [0] * ROWS) + elements("b", [0] * ROWS)


def _stem(path: str) -> str:
    return Path(path).stem


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def test_sinks_of_any_length_in_any_order(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
    slow = frames | Stride(24) | WriteToNamedVideo(str(db), "slow")
    run.keep_written("slow", slow)
    run.keep("leaves", frames | Number())
    groups = frames | Slice(partitioner.all(30))
    part = groups | "First of group" >> Range(0, 1) | Unslice()
    everything = frames | "Write all" >> WriteToNamedVideo(str(db), "all")
    run.keep_written("all", everything)
    run.keep_written("part", part | "Write part" >> WriteToNamedVideo(str(db), "part"))
    run.run()
    for name, rows in (
        ("slow", range(0, FRAMES, 24)),
        ("all", range(FRAMES)),
        ("part", range(0, FRAMES, 30)),
    ):
        assert [frame_number(f) for f in video(db, name).load()] == list(rows)
        ((_, path, length, fingerprint),) = run.rows(f"{name} commits")
        assert (path, length) == (f"{db}/{name}", len(rows))
        assert fingerprint
        assert run.failures(name) == {}
    assert run.rows("leaves") == elements("a.mp4", list(range(FRAMES)))


class Brightest(beam.PTransform):
    """A composite of a user's own."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def expand(self, frames: Any) -> Any:
        return frames | Stride(self.step) | Number() | Rank()


def test_users_composites_and_labels(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
    again = Stride(30)
    run.keep("first", frames | Brightest(20))
    run.keep("second", frames | "Slower" >> Brightest(40) | "And slower" >> Stride(2))
    run.keep("third", frames | "Third" >> again | "Number it" >> Number())
    run.keep("fourth", frames | "Fourth" >> again | "Number too" >> Number())
    run.run()
    assert run.rows("first") == elements("a.mp4", [0, 1, 2, 3])
    assert run.rows("second") == elements("a.mp4", [0])
    assert run.rows("third") == run.rows("fourth") == elements("a.mp4", [0, 30, 60])


def test_streams_as_ordinary_collections(run: Run, db: Path) -> None:
    x = numbers(run, db) | Range(0, 3)
    y = numbers2(run, db)
    run.keep("both", (x, y) | beam.Flatten())
    one = run.pipeline | beam.Create(["one"])
    listed = one | beam.Map(
        lambda _, rows: sorted(row for _, row in rows), beam.pvalue.AsList(x)
    )
    run.keep("listed", listed)
    looked = y | "Look up" >> beam.Map(
        lambda kv, by: (kv[0], by[replace(kv[0], stream="x/a")]), beam.pvalue.AsDict(x)
    )
    run.keep("looked", looked)
    run.run()
    assert run.rows("both") == elements("x/a", [0, 1, 2]) + elements("x/b", [100, 101])
    assert run.rows("listed") == [[0, 1, 2]]
    assert run.rows("looked") == elements("x/b", [0, 1])


def numbers2(run: Run, db: Path) -> Streams:
    x = run.pipeline | "Other" >> ReadFromNamedStream(str(db), "x/b", type=int)
    return x | "Few" >> Range(0, 2)


def test_paths_from_elsewhere(run: Run, films: Path, db: Path) -> None:
    paths = run.pipeline | beam.Create(
        [f"{films}/a.mp4", f"{films}/?.mp4", f"{films}/none.mp4"]
    )
    frames = paths | ReadAllFromVideo() | Range(0, 1)
    run.keep("number", frames | Number())
    run.keep("failures", frames.failures)
    run.run()
    assert run.rows("number") == elements("a.mp4", [0]) + elements("b.mp4", [100])
    ((name, reason),) = [(f.stream, f.reason) for f in run.rows("failures")]
    assert name.endswith("none.mp4")
    assert "no file matches" in reason


def test_nulls_that_are_stored(run: Run, db: Path) -> None:
    save(db, "holes", [1, NULL, 3], int)
    x = numbers(run, db, "holes")
    maybe = x | "Some" >> Range(0, 9).with_output_types(tuple[FrameKey, int | None])
    run.keep("rows", maybe)
    run.keep("window", maybe | Window(stencil=[0, 1]))
    run.keep("sum", maybe | Add())
    # What is grouped is encoded.
    run.keep("grouped", maybe | beam.GroupByKey())
    run.run()
    assert run.rows("rows") == elements("holes", [1, None, 3])
    assert run.rows("window") == elements("holes", [None, None, [3, 3]])
    assert run.rows("sum") == elements("holes", [1, None, 3])
    assert run.rows("grouped") == elements("holes", [[1], [None], [3]])


def test_nulls_that_nobody_has_declared_fail_their_stream(run: Run, db: Path) -> None:
    save(db, "x/c", [1, NULL, 3], int)
    run.keep("rows", numbers(run, db, "x/?"))
    x = run.pipeline | "Again" >> ReadFromNamedStream(str(db), "x/?", int)
    run.keep("failures", x.failures)
    dropped = x | "Even" >> Op(_even)
    run.keep("even", dropped)
    run.run()
    assert [key.stream for key, _ in run.rows("rows")].count("x/a") == ROWS
    found = {f.stream: f.reason for f in run.rows("failures")}
    assert set(found) == {"x/a", "x/b", "x/c"}
    assert (
        "row 1 of Even is null, for which its type has no room: add "
        ".with_output_types(tuple[FrameKey, int | None])"
    ) in found["x/a"]


def test_a_montage_leaves(run: Run, films: Path, tmp_path: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4") | Range(0, 4)
    montage = frames | Montage(num_frames=3, target_width=8, frames_per_row=2)
    run.keep("shapes", montage | beam.MapTuple(_shape))
    sink = WriteToNamedVideo(str(tmp_path), "montage")
    run.keep_written("montage", montage | sink)
    run.run()
    shapes = [value for _, value in run.rows("shapes")]
    assert [shape is None for shape in shapes] == [True, True, False, True]
    assert run.failures("montage") == {}
    assert list(video(tmp_path, "montage").load())[2].shape == shapes[2]


def _shape(key: FrameKey, frame: Any) -> Any:
    return key, None if frame is None else frame.shape


def _even(config: Any, x: int) -> int:
    return NULL if x % 2 else x  # type: ignore[return-value]


def _evens(config: Any, x: int) -> tuple[int, int, bytes]:
    return (NULL, x, NULL) if x % 2 else (x, x, b"")  # type: ignore[return-value]


def test_nulls_of_one_of_several_outputs(run: Run, db: Path) -> None:
    evens = Op(_evens).with_output_types(
        ret0=tuple[FrameKey, int | None], ret2=tuple[FrameKey, bytes | None]
    )
    x = numbers(run, db) | Range(0, 3) | evens
    run.keep("ret0", x.ret0)
    run.keep("ret1", x.ret1)
    run.keep("ret2", x.ret2 | Repeat(1))
    run.run()
    assert run.rows("ret0") == elements("x/a", [0, None, 2])
    assert run.rows("ret1") == elements("x/a", [0, 1, 2])
    assert run.rows("ret2") == elements("x/a", [b"", None, b""])
    assert x.ret1.element_type.tuple_types == (FrameKey, int)
