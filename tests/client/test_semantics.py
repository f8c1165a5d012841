"""What runs promise: caching, phases, nulls, times, equal results, counted work."""

from __future__ import annotations

import hashlib
import logging
import pickle
import re
import shlex
import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client_helpers import (
    IN_MEMORY,
    PROCESSES,
    THREADS,
    files_of,
    numbers,
    open_client,
    work_left,
)
from video_fixtures import frame_number, make_video, numbered_frame

from beam_scanner import (
    CacheMode,
    Client,
    FrameType,
    JobFailure,
    Kernel,
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    NullElement,
    PerfParams,
    ScannerException,
    SliceList,
    register_module,
    register_python_op,
)
from beam_scanner.cli import main


@pytest.fixture
def frame(sc, test_video):
    """The column of a video of 720 frames, a keyframe every 24, named 'film'."""
    return sc.io.Input([NamedVideoStream(sc, "film", path=test_video)])


def run(sc, outputs, perf=None, **kwargs):
    kwargs.setdefault("cache_mode", CacheMode.Overwrite)
    return sc.run(outputs, perf or PerfParams.estimate(), show_progress=False, **kwargs)


def define(code, **names):
    """Runs code as a notebook does: as a part of ``__main__``."""
    namespace = {"__name__": "__main__", **names}
    exec(textwrap.dedent(code), namespace)
    return namespace


@register_python_op()
def SemNumber(config, frame: FrameType) -> Any:
    return frame_number(frame)


@register_python_op()
class SemScale(Kernel):
    def __init__(self, config, scale=1):
        self.scale = scale

    def new_stream(self, offset=0):
        self.offset = offset

    def execute(self, x: Any) -> Any:
        return x * self.scale + self.offset


# Cache modes


def test_error_refuses_and_changes_nothing(sc, frame):
    number = sc.ops.SemNumber(frame=sc.streams.Range(frame, [(0, 5)]))
    output = NamedStream(sc, "out")
    run(sc, sc.io.Output(number, [output]), cache_mode=CacheMode.Error)
    before = files_of(sc.db_path)
    with pytest.raises(ScannerException, match="`out`"):
        run(sc, sc.io.Output(number, [output]), cache_mode=CacheMode.Error)
    assert files_of(sc.db_path) == before


def test_ignore_knows_what_changed(sc, test_video, small_video):
    """Nothing is run for a result that is there; anything else is another result."""
    output = NamedStream(sc, "out")
    kernel = """
        from typing import Any
        from beam_scanner import register_python_op
        SHIFT = {shift}
        @register_python_op(version={version!r})
        def SemChanging(config, x: Any) -> Any:
            return x + SHIFT {more}
        """

    def graph(rows=(0, 4), scale=1, offset=0, video=test_video, name="film"):
        source = sc.io.Input([NamedVideoStream(sc, name, path=video)])
        number = sc.ops.SemNumber(frame=sc.streams.Range(source, [rows]))
        scaled = sc.ops.SemScale(x=number, scale=scale, offset=[offset])
        return sc.io.Output(sc.ops.SemChanging(x=scaled), [output])

    def ignored(**changes):
        """Whether a run did nothing; and what it then has."""
        job = run(sc, graph(**changes), cache_mode=CacheMode.Ignore)
        return job is None, list(output.load())

    define(kernel.format(shift=100, version="1", more=""))
    assert ignored() == (False, [100, 101, 102, 103])
    assert ignored() == (True, [100, 101, 102, 103])
    # The same code once more, as when a cell is run again.
    define(kernel.format(shift=100, version="1", more=""))
    assert ignored()[0]
    assert ignored(rows=(1, 3)) == (False, [101, 102])
    assert ignored(rows=(1, 3)) == (True, [101, 102])
    assert ignored(scale=2) == (False, [100, 102, 104, 106])
    assert ignored(scale=2, offset=5) == (False, [105, 107, 109, 111])
    assert ignored(scale=2, offset=5)[0]
    changed = {"scale": 2, "offset": 5}
    define(kernel.format(shift=100, version="1", more="+ 1"))
    assert ignored(**changed) == (False, [106, 108, 110, 112])
    define(kernel.format(shift=200, version="1", more="+ 1"))
    assert ignored(**changed) == (False, [206, 208, 210, 212])
    define(kernel.format(shift=200, version="2", more="+ 1"))
    assert ignored(**changed) == (False, [206, 208, 210, 212])
    assert ignored(**changed)[0]
    assert ignored(video=small_video, name="other", rows=(0, 1)) == (False, [1201])
    output.delete(sc)
    assert ignored(video=small_video, name="other", rows=(0, 1)) == (False, [1201])


def test_ignore_runs_only_what_is_missing(sc, test_video, small_video):
    def graph(names):
        streams = [
            NamedVideoStream(sc, name, path=test_video if name == "a" else small_video)
            for name in names
        ]
        source = sc.streams.Range(sc.io.Input(streams), [(0, 3)] * len(names))
        number = sc.ops.SemNumber(frame=source)
        return [
            sc.io.Output(number, [NamedStream(sc, f"{name}.no") for name in names]),
            sc.io.Output(source, [NamedVideoStream(sc, f"{name}.v") for name in names]),
        ]

    run(sc, graph("ab"), cache_mode=CacheMode.Ignore)
    job = run(sc, graph("abc"), cache_mode=CacheMode.Ignore)
    report = sc.report(job)
    assert (report.committed, report.cached) == (["c.no"], ["a.no", "b.no"])
    # One of two outputs is gone: the job is run, and both are the same run's.
    NamedStream(sc, "b.no").delete()
    report = sc.report(run(sc, graph("abc"), cache_mode=CacheMode.Ignore))
    assert (report.committed, report.cached) == (["b.no"], ["a.no", "c.no"])
    assert list(NamedStream(sc, "b.no").load()) == [1000, 1001, 1002]
    assert numbers(NamedVideoStream(sc, "b.v")) == [1000, 1001, 1002]
    assert run(sc, graph("abc"), cache_mode=CacheMode.Ignore) is None


def test_one_name_in_two_databases_is_two_jobs(sc, tmp_path):
    letters = NamedStream(sc, "letters of two")
    letters.save(list(range(8)), Any)
    places = [NamedStorage(str(tmp_path / name)) for name in ("left", "right")]
    outputs = [NamedStream(place, "same name") for place in places]
    taken = sc.io.Input([letters, letters])
    job = run(sc, sc.io.Output(taken, outputs), PerfParams.manual(2, 2))
    assert [list(output.load()) for output in outputs] == [list(range(8))] * 2
    # Shared manifests would name the files of one database for both.
    assert sc.report(job).tasks == 8


def test_a_result_is_known_whatever_was_made_with_it(sc, frame):
    numbers_, differences = NamedStream(sc, "kn"), NamedStream(sc, "kd")
    some = sc.streams.Range(frame, [(0, 8)])
    made = [
        sc.io.Output(sc.ops.SemNumber(frame=some), [numbers_]),
        sc.io.Output(sc.ops.FrameDifference(frame=some), [differences]),
    ]
    run(sc, made)
    assert run(sc, made[1], cache_mode=CacheMode.Ignore) is None
    assert run(sc, made[::-1], cache_mode=CacheMode.Ignore) is None


@register_python_op()
class SemFails(Kernel):
    def __init__(self, config, on=()):
        self.on = on

    def execute(self, x: Any) -> Any:
        if x in self.on:
            raise ValueError(f"not {x}")
        return x


def test_overwrite_keeps_the_old_stream_until_the_new_one_is_there(sc, frame):
    output = NamedStream(sc, "out")
    number = sc.ops.SemNumber(frame=frame)

    def attempt(on):
        made = sc.ops.SemFails(x=number, on=on)
        run(sc, sc.io.Output(made, [output]), PerfParams.manual(8, 24))

    attempt(())
    first, files = output.files(), files_of(sc.db_path)
    # All but the last of 30 tasks succeed.
    with pytest.raises(JobFailure, match="row 719: ValueError: not 719"):
        attempt((719,))
    assert output.files() == first
    assert list(output.load()) == list(range(720))
    # What the other tasks made is kept, unseen, for the next attempt at the same.
    assert files <= files_of(sc.db_path)
    again = sc.io.Output(sc.ops.SemFails(x=number, on=(719,)), [output])
    job = run(sc, again, PerfParams.manual(8, 24), on_failure="return")
    assert sc.report(job).reused == 29
    assert [f.row for f in sc.report(job).failures] == [719]
    assert output.files() == first
    attempt(("other",))
    assert output.len() == 720
    assert not set(output.files()) & set(first)
    assert not any(Path(file).exists() for file in first)


# Phases


def test_a_failure_says_what_is_kept_and_how_to_give_it_up(sc, frame, capsys):
    number = sc.ops.SemNumber(frame=frame)
    output = NamedStream(sc, "kept")
    made = sc.io.Output(sc.ops.SemFails(x=number, on=(719,)), [output])
    with pytest.raises(JobFailure, match="row 719") as caught:
        run(sc, made, PerfParams.manual(8, 24))
    told = str(caught.value)
    assert "29 finished tasks of failed streams are kept: the same run again" in told
    assert told.index("row 719") < told.index("29 finished") < told.index("Traceback")
    assert pickle.loads(pickle.dumps(caught.value)).hint == caught.value.hint
    job = run(sc, made, PerfParams.manual(8, 24), on_failure="return")
    assert (sc.report(job).kept, sc.report(job).reused) == (29, 29)
    # The line that it gives does what it says.
    words = shlex.split(caught.value.hint.split("'", 1)[1].rsplit("'", 1)[0])
    assert words[0] == "beam-scanner"
    assert main(words[1:]) == 0
    assert "removed 29 segment files" in capsys.readouterr().out
    assert not work_left(sc.db_path)
    # Where nothing is kept, nothing is said.
    made = sc.io.Output(sc.ops.SemFails(x=number, on=tuple(range(720))), [output])
    with pytest.raises(JobFailure) as caught:
        run(sc, made, PerfParams.manual(720, 720))
    assert caught.value.hint == ""


def test_shots_of_a_long_film_use_many_tasks(sc, frame):
    hist = sc.ops.Histogram(frame=frame)
    shots = sc.ops.ShotBoundaries(histograms=hist)
    outputs = [NamedStream(sc, "hist"), NamedStream(sc, "shots")]
    ops = [sc.io.Output(hist, outputs[:1]), sc.io.Output(shots, outputs[1:])]
    perf = PerfParams.manual(8, 48)
    explained = sc.explain(ops, perf)
    assert explained.phases == 2
    assert explained.frames_needed == explained.frames_decoded == 720
    report = sc.report(run(sc, ops, perf))
    assert report.tasks == explained.tasks >= 15 + 1
    assert report.counters["frames_decoded"] == 720
    assert report.counters["op:Histogram:rows"] == 720
    assert isinstance(next(outputs[1].load()), list)
    assert outputs[0].len() == outputs[1].len() == 720
    assert not work_left(sc.db_path)


@register_python_op(unbounded_state=True)
class SemTrack(Kernel):
    """How many even numbers were seen: needs every row before."""

    def reset(self):
        self.seen = 0

    def execute(self, x: Any) -> Any:
        self.seen += x % 2 == 0
        return self.seen


@register_python_op()
def SemPaint(config, frame: FrameType, value: Any) -> FrameType:
    painted = frame.copy()
    painted[0, 0] = value % 256
    painted[0, 1] = value // 256
    return painted


def test_a_tracker_between_parallel_phases(sc, frame):
    """Numbers in parallel, tracking in order, drawing in parallel."""
    tracked = sc.ops.SemTrack(x=sc.ops.SemNumber(frame=frame))
    painted = sc.ops.SemPaint(frame=frame, value=tracked).lossless()
    output, plain = NamedVideoStream(sc, "painted"), NamedStream(sc, "tracked")
    ops = [sc.io.Output(painted, [output]), sc.io.Output(tracked, [plain])]
    perf = PerfParams.manual(8, 48)
    explained = sc.explain(ops, perf)
    assert explained.phases == 3
    report = sc.report(run(sc, ops, perf))
    assert report.tasks == explained.tasks >= 15 + 1 + 15
    # Each phase that needs the frames decodes them once.
    assert report.counters["frames_decoded"] == explained.frames_decoded == 1440
    assert report.counters["op:SemTrack:rows"] == 720
    expected = [i // 2 + 1 for i in range(720)]
    assert list(plain.load()) == expected
    corners = [picture[0, :2, 0].tolist() for picture in output.load()]
    assert corners == [[v % 256, v // 256] for v in expected]
    # Only what is asked for is painted, but all is tracked.
    some = sc.streams.Gather(painted, [[700, 3]])
    report = sc.report(run(sc, sc.io.Output(some.lossless(), [output]), perf))
    assert [p[0, :2, 0].tolist() for p in output.load()] == [[95, 1], [2, 0]]
    assert report.counters["op:SemPaint:rows"] == 2
    assert not work_left(sc.db_path)


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


@register_python_op(stencil=[-1, 0])
def SemPair(config, x: Sequence[Any]) -> Any:
    return list(x)


@register_python_op()
def SemNothing(config, x: Any) -> Any:
    return None


@register_python_op()
def SemEmpty(config, x: Any) -> bytes:
    return b""


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


def times_of(stream):
    """Times in seconds as stored, read without our code."""
    pq = pytest.importorskip("pyarrow.parquet")
    tables = [pq.read_table(file) for file in stream.files(".parquet")]
    rows = [row for table in tables for row in table["row"].to_pylist()]
    assert rows == list(range(len(rows)))
    return [time for table in tables for time in table["time"].to_pylist()]


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


# Equal results


def equal_graph(sc, video):
    """One graph with most kinds of nodes; two streams."""
    source = sc.io.Input(
        [NamedVideoStream(sc, f"film{i}", path=video) for i in range(2)]
    )
    some = sc.streams.Ranges(source, [[(0, 60), (200, 230)], [(300, 390)]])
    number = sc.ops.SemNumber(frame=some)
    tracked = sc.ops.SemTrack(x=sc.ops.SemScale(x=number, scale=3, offset=[1, 2]))
    flow = sc.ops.SemPair(x=number)
    small = sc.ops.Resize(frame=some, width=[32, 48], height=[24, 36])
    painted = sc.ops.SemPaint(frame=small, value=tracked)
    columns = {
        "tracked": tracked,
        "flow": flow,
        "hist": sc.ops.Histogram(frame=some),
        "lossy": painted,
        "exact": painted.lossless(),
    }
    outputs = []
    for name, column in columns.items():
        kind = NamedVideoStream if column.type is None else NamedStream
        streams = [kind(sc, f"{name}/{i}") for i in range(2)]
        outputs.append(sc.io.Output(column, streams))
    return outputs


def results(sc, outputs):
    """Digests of all values and, in order, of all files of the outputs."""
    values, files = {}, {}
    for output in outputs:
        for stream in output.streams:
            digest = hashlib.sha256()
            for value in stream.load():
                plain = value.tobytes() if isinstance(value, np.ndarray) else value
                digest.update(repr(plain).encode())
            values[stream.name()] = digest.hexdigest()
            files[stream.name()] = [
                hashlib.sha256(Path(file).read_bytes()).hexdigest()
                for file in stream.files()
            ]
    return values, files


@pytest.fixture(scope="module")
def expected_results(tmp_path_factory, test_video):
    with open_client(tmp_path_factory.mktemp("equal") / "db") as sc:
        outputs = equal_graph(sc, test_video)
        run(sc, outputs, PerfParams.manual(8, 24))
        return results(sc, outputs)


@pytest.mark.parametrize(
    ("options", "work"),
    [
        (IN_MEMORY, 1),
        (IN_MEMORY, 24),
        (THREADS, 8),
        pytest.param(PROCESSES, 4, marks=pytest.mark.processes),
    ],
    ids=["row by row", "whole tasks", "threads", "processes"],
)
def test_equal_results_and_files(tmp_path, test_video, expected_results, options, work):
    """The same bytes at every work_packet_size and in every running mode."""
    with open_client(tmp_path / "db", options) as sc:
        outputs = equal_graph(sc, test_video)
        run(sc, outputs, PerfParams.manual(work, 24))
        assert results(sc, outputs) == expected_results


@pytest.mark.parametrize("io", [1, 50, 1000, None])
def test_equal_values_at_every_task_size(sc, test_video, expected_results, io):
    """But for pixels of lossy video, which is encoded anew in each task."""
    outputs = equal_graph(sc, test_video)
    run(sc, outputs, PerfParams.manual(1, io) if io else None)
    values, _ = results(sc, outputs)
    expected, _ = expected_results
    for name in expected:
        if not name.startswith("lossy"):
            assert values[name] == expected[name], name
    near = zip(
        NamedVideoStream(sc, "lossy/0").load(),
        NamedVideoStream(sc, "exact/0").load(),
        strict=True,
    )
    assert all(np.abs(a.astype(int) - b).mean() < 15 for a, b in near)


# Counted work


@pytest.mark.parametrize(
    ("build", "decoded"),
    [
        (lambda sc, f: f, 720),
        (lambda sc, f: sc.streams.Stride(f, [24]), 30),
        (lambda sc, f: sc.streams.Stride(f, [48]), 15),
        (lambda sc, f: sc.streams.Gather(f, [[0, 23, 100, 719]]), 1 + 23 + 5 + 24),
        (lambda sc, f: sc.streams.Range(f, [(30, 40)]), 16),
        (lambda sc, f: sc.streams.Gather(f, [[40, 30]]), None),
        (lambda sc, f: sc.streams.Repeat(sc.streams.Range(f, [(0, 3)]), [5]), 3),
        (lambda sc, f: sc.streams.Gather(sc.ops.SemFlow(frame=f), [[10, 400]]), None),
        (
            lambda sc, f: sc.streams.Unslice(
                sc.streams.Range(
                    sc.streams.Slice(f, [sc.partitioner.ranges([(0, 50), (20, 90)])]),
                    [(5, 9)],
                )
            ),
            None,
        ),
        (
            lambda sc, f: sc.ops.SemBoth(f, sc.streams.Gather(f, [range(719, -1, -1)])),
            None,
        ),
    ],
)
@pytest.mark.parametrize("io", [24, 1000])
def test_explain_counts_what_a_run_does(sc, frame, build, decoded, io):
    column = build(sc, frame)
    output = NamedVideoStream(sc, "out")
    perf = PerfParams.manual(8, io // 8 * 8)
    ops = sc.io.Output(column, [output])
    explained = sc.explain(ops, perf)
    assert not output.committed()
    report = sc.report(run(sc, ops, perf))
    counted = report.counters
    assert report.tasks == explained.tasks
    assert counted["frames_needed"] == explained.frames_needed
    assert counted["frames_decoded"] == explained.frames_decoded
    assert counted.get("frames_again", 0) == explained.frames_again
    assert counted["rows_written"] == output.len()
    assert explained.bytes_to_read > 0
    if decoded is not None:
        assert explained.frames_decoded == decoded
    text = str(explained)
    assert "film" in text
    assert "frames needed" in text
    assert "cut" in text


@register_python_op(stencil=[0, 1])
def SemFlow(config, frame: Sequence[FrameType]) -> FrameType:
    return frame[1]


@register_python_op()
def SemBoth(config, a: FrameType, b: FrameType) -> FrameType:
    return a // 2 + b // 2


def test_profiles(sc, frame, tmp_path):
    number = sc.ops.SemNumber(frame=sc.streams.Range(frame, [(0, 30)]))
    job = run(sc, sc.io.Output(number, [NamedStream(sc, "out")]))
    profile = sc.get_profile(job)
    assert "SemNumber" in str(profile.statistics())
    begin, end = profile.total_time_interval()
    assert 0 < end - begin < 60e9
    # Another client of the database finds it too.
    with open_client(sc.db_path) as other:
        path = other.get_profile(job).write_trace(str(tmp_path / "t.trace"))
    assert "op:SemNumber" in Path(path).read_text()


# Kernels


@register_python_op()
class SemWrites(Kernel):
    def execute(self, frame: FrameType) -> FrameType:
        frame[:] = 0
        return frame


@register_python_op()
class SemKeeps(Kernel):
    """Goes on changing an array that it has returned."""

    def __init__(self, config):
        self.frame = np.zeros((8, 8, 3), np.uint8)

    def execute(self, frame: FrameType) -> FrameType:
        self.frame[:] = frame_number(frame)
        return self.frame


@register_python_op()
class SemChangesList(Kernel):
    def execute(self, x: Any) -> Any:
        x.append("changed")
        return x


@register_python_op()
def SemList(config, frame: FrameType) -> Any:
    return [frame_number(frame)]


def test_nothing_is_shared_by_mistake(sc, frame):
    """A kernel that writes into its input never changes what others see."""
    few = sc.streams.Range(frame, [(0, 6)])
    with pytest.raises(JobFailure, match=r"SemWrites, row 0: .*read-only.*copy it"):
        run(
            sc,
            [
                sc.io.Output(sc.ops.SemWrites(frame=few), [NamedVideoStream(sc, "w")]),
                sc.io.Output(few, [NamedVideoStream(sc, "f")]),
            ],
        )
    # Its own frame it may change.
    alone = NamedVideoStream(sc, "alone")
    run(sc, sc.io.Output(sc.ops.SemWrites(frame=few).lossless(), [alone]))
    assert all(not picture.any() for picture in alone.load())
    kept = NamedVideoStream(sc, "kept")
    lists = sc.ops.SemList(frame=few)
    changed = [sc.ops.SemChangesList(x=lists), lists]
    streams = [NamedStream(sc, f"list{i}") for i in range(2)]
    run(
        sc,
        [
            sc.io.Output(sc.ops.SemKeeps(frame=few).lossless(), [kept]),
            *(sc.io.Output(c, [s]) for c, s in zip(changed, streams, strict=True)),
        ],
    )
    assert [int(picture[0, 0, 0]) for picture in kept.load()] == list(range(6))
    assert list(streams[0].load()) == [[i, "changed"] for i in range(6)]
    assert list(streams[1].load()) == [[i] for i in range(6)]


@register_python_op()
class SemLogs(Kernel):
    def execute(self, frame: FrameType) -> bytes:
        logging.getLogger("own").warning("seen %d", frame_number(frame))
        return b""


def test_logs_say_where(sc, frame, caplog):
    made = sc.ops.SemLogs(frame=sc.streams.Gather(frame, [[3, 100]]))
    run(sc, sc.io.Output(made, [NamedStream(sc, "logged")]))
    found = [r.getMessage() for r in caplog.records if r.name == "own"]
    assert found == [
        "[stream 'logged', op SemLogs, row 0] seen 3",
        "[stream 'logged', op SemLogs, row 1] seen 100",
    ]


@register_python_op(unbounded_state=True)
class SemHistory(Kernel):
    """Everything that it has seen since it was told to forget."""

    def __init__(self, config):
        self.calls = []

    def new_stream(self, name):
        self.calls.append(name)

    def reset(self):
        self.calls = []

    def execute(self, frame: FrameType) -> Any:
        self.calls.append(frame_number(frame))
        return list(self.calls)


def test_state_never_comes_from_another_stream(sc, test_video, small_video):
    videos = [test_video, small_video] * 3
    streams = [NamedVideoStream(sc, f"v{i}", path=v) for i, v in enumerate(videos)]
    few = sc.streams.Range(sc.io.Input(streams), [(i, i + 3) for i in range(6)])
    made = sc.ops.SemHistory(frame=few, name=[f"s{i}" for i in range(6)])
    outputs = [NamedStream(sc, f"h{i}") for i in range(6)]
    run(sc, sc.io.Output(made, outputs))
    for i, output in enumerate(outputs):
        first = i + 1000 * (i % 2)
        rows = [f"s{i}", first, first + 1, first + 2]
        assert list(output.load()) == [rows[:2], rows[:3], rows]


class Base(Kernel):
    def __init__(self, config, factor):
        super().__init__(config)
        self.factor = factor


@pytest.mark.processes
def test_a_kernel_of_a_test_function_in_worker_processes(tmp_path, test_video):
    """With a base class of this module, zero-argument super and a closure."""
    shift = 1000

    @register_python_op(name="SemLocal")
    class Local(Base):
        def __init__(self, config, factor):
            super().__init__(config, factor)

        def execute(self, frame: FrameType) -> Any:
            return frame_number(frame) * self.factor + shift

    with open_client(tmp_path / "db", PROCESSES) as sc:
        source = sc.io.Input([NamedVideoStream(sc, "film", path=test_video)])
        made = sc.ops.SemLocal(frame=source, factor=2)
        output = NamedStream(sc, "out")
        run(sc, sc.io.Output(made, [output]), PerfParams.manual(8, 48))
        assert list(output.load()) == [1000 + 2 * i for i in range(720)]


SCRIPT = '''
import logging
import os
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from typing import Any
from beam_scanner import *
from video_fixtures import frame_number
import own_module

LIMIT = 7

def helper(number):
    return number + LIMIT

@register_python_op()
def InMain(config, frame: FrameType) -> Any:
    return helper(frame_number(frame))

@register_python_op()
class Fetches(Kernel):
    def fetch_resources(self):
        with open({fetched!r}, 'a') as file:
            file.write(f'{{os.getpid()}}\\n')
    def setup_with_resources(self):
        assert os.path.exists({fetched!r})
    def execute(self, frame: FrameType) -> Any:
        number = frame_number(frame)
        if number % 100 == 0:
            logging.getLogger('kernel').warning('at %d', number)
        return os.getpid()

def make():
    factor = 3
    @register_python_op()
    def InFunction(config, frame: FrameType) -> Any:
        return frame_number(frame) * factor
make()

exec("""
@register_python_op()
class InCell(Kernel):
    def execute(self, frame: FrameType) -> Any:
        return helper(frame_number(frame)) * 2
""")
register_module({by_path!r})

sc = Client(db_path={db!r}, options={options!r})
frame = sc.io.Input([NamedVideoStream(sc, 'film', path={video!r})])
names = ['InMain', 'InFunction', 'InCell', 'InModule', 'ByPath', 'Fetches']
outputs = [
    sc.io.Output(getattr(sc.ops, name)(frame=frame), [NamedStream(sc, name)])
    for name in names
]
sc.run(outputs, PerfParams.manual(8, 48), show_progress=False)
'''

MODULE = """
from typing import Any
from beam_scanner import FrameType, Kernel, register_python_op
from video_fixtures import frame_number

class Base{name}(Kernel):
    constant = {constant}

@register_python_op()
class {name}(Base{name}):
    def execute(self, frame: FrameType) -> Any:
        return frame_number(frame) + self.constant
"""


@pytest.mark.parametrize(
    "options",
    [IN_MEMORY, THREADS, pytest.param(PROCESSES, marks=pytest.mark.processes)],
    ids=["here", "threads", "processes"],
)
def test_kernels_of_a_script(tmp_path, test_video, options):
    """In ``__main__``, a function, a cell, a module beside it, a file by its path."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    by_path = elsewhere / "some ops.py"
    by_path.write_text(MODULE.format(name="ByPath", constant=50))
    (tmp_path / "own_module.py").write_text(MODULE.format(name="InModule", constant=90))
    tests = Path(__file__).parents[1]
    script = tmp_path / "script.py"
    fetched = tmp_path / "fetched"
    script.write_text(
        SCRIPT.format(
            root=str(tests.parent),
            tests=str(tests),
            by_path=str(by_path),
            db=str(tmp_path / "db"),
            fetched=str(fetched),
            options=options,
            video=test_video,
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=elsewhere,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with open_client(tmp_path / "db") as sc:
        loaded = {
            name: list(NamedStream(sc, name).load())
            for name in [
                "InMain",
                "InFunction",
                "InCell",
                "InModule",
                "ByPath",
                "Fetches",
            ]
        }
    assert loaded["InMain"] == [i + 7 for i in range(720)]
    assert loaded["InFunction"] == [i * 3 for i in range(720)]
    assert loaded["InCell"] == [(i + 7) * 2 for i in range(720)]
    assert loaded["InModule"] == [i + 90 for i in range(720)]
    assert loaded["ByPath"] == [i + 50 for i in range(720)]
    # All processes worked, and one of them fetched.
    workers = set(loaded["Fetches"])
    assert len(workers) == (2 if options is PROCESSES else 1)
    fetchers = [int(line) for line in fetched.read_text().split()]
    assert len(fetchers) == 1
    assert set(fetchers) <= workers
    lines = re.findall(
        r"\[stream 'InMain', op Fetches, row (\d+)\] at (\d+)", done.stderr
    )
    assert sorted(int(row) for row, _ in lines) == list(range(0, 720, 100))
    assert all(row == number for row, number in lines)


def test_a_file_given_by_its_path(sc, frame, tmp_path):
    path = tmp_path / "semantic ops.py"
    path.write_text(MODULE.format(name="SemByPath", constant=5))
    module = register_module(str(path))
    assert register_module(str(path)) is module
    output = NamedStream(sc, "out")
    few = sc.streams.Range(frame, [(0, 3)])
    run(sc, sc.io.Output(sc.ops.SemByPath(frame=few), [output]))
    assert list(output.load()) == [5, 6, 7]
    with pytest.raises(ScannerException, match=r"gone\.py"):
        register_module(str(tmp_path / "gone.py"))


def test_fetch_resources_once_per_run_and_op(sc, frame, tmp_path):
    log = tmp_path / "log"

    @register_python_op(name="SemFetches")
    class Fetches(Kernel):
        def __init__(self, config, name):
            self.name = name

        def fetch_resources(self):
            with open(log, "a") as file:
                file.write(f"{self.name}\n")

        def execute(self, frame: FrameType) -> Any:
            return self.name

    def outputs():
        return [
            sc.io.Output(
                sc.ops.SemFetches(frame=frame, name=name), [NamedStream(sc, name)]
            )
            for name in "ab"
        ]

    run(sc, outputs(), PerfParams.manual(8, 24))
    assert sorted(log.read_text().split()) == ["a", "b"]
    run(sc, outputs(), PerfParams.manual(8, 24))
    assert sorted(log.read_text().split()) == ["a", "a", "b", "b"]


# Where graphs run


@pytest.mark.parametrize(
    "options",
    [
        None,
        [],
        ["--runner=DirectRunner"],
        ["--runner=FnApiRunner", "--direct_num_workers=1"],
        "typed",
    ],
    ids=str,
)
def test_options(tmp_path, small_video, options, monkeypatch):
    """All mean this machine; flags of the program itself are not read."""
    if options == "typed":
        options = pytest.importorskip(
            "apache_beam.options.pipeline_options"
        ).PipelineOptions([])
    monkeypatch.setattr(sys, "argv", ["program", "--runner=NoSuchRunner"])
    with Client(db_path=str(tmp_path / "db"), options=options) as sc:
        source = sc.io.Input([NamedVideoStream(sc, "clip", path=small_video)])
        output = NamedStream(sc, "out")
        run(sc, sc.io.Output(sc.ops.SemNumber(frame=source), [output]))
        assert list(output.load()) == list(range(1000, 1060))


# Several clients


def test_two_clients_at_the_same_time(tmp_path, test_video):
    """Different outputs in one database, from two threads, over one new video."""
    errors = []

    def work(number):
        try:
            with open_client(tmp_path / "db") as sc:
                for turn in range(3):
                    source = sc.io.Input(
                        [NamedVideoStream(sc, "film", path=test_video)]
                    )
                    ranged = sc.streams.Range(source, [(number * 100, 720)])
                    made = sc.ops.SemNumber(frame=ranged)
                    name = f"out{number}-{turn}"
                    run(sc, sc.io.Output(made, [NamedStream(sc, name)]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with open_client(tmp_path / "db") as sc:
        for number in range(2):
            for turn in range(3):
                found = list(NamedStream(sc, f"out{number}-{turn}").load())
                assert found == list(range(number * 100, 720))
    assert not work_left(tmp_path / "db")


# Other programs


def test_outputs_open_in_other_programs(sc, frame):
    """pandas, DuckDB and a video player, with none of our code."""
    pd = pytest.importorskip("pandas")
    duckdb = pytest.importorskip("duckdb")
    av = pytest.importorskip("av")
    some = sc.streams.Stride(frame, [30])
    number = sc.ops.SemNumber(frame=some)
    hist = sc.ops.Histogram(frame=some)
    shots = sc.ops.ShotBoundaries(histograms=hist)
    blob = sc.ops.SemEmpty(x=number)
    names = ["hist", "blob", "shots", "video", "exact"]
    columns = [hist, blob, shots, some, some.lossless()]
    streams = [
        (NamedVideoStream if column.type is None else NamedStream)(sc, name)
        for name, column in zip(names, columns, strict=True)
    ]
    run(
        sc,
        [sc.io.Output(c, [s]) for c, s in zip(columns, streams, strict=True)],
        PerfParams.manual(1, 4),
    )
    for stream in streams:
        files = stream.files(".parquet")
        table = pd.concat([pd.read_parquet(file) for file in files])
        assert table["row"].tolist() == list(range(24))
        assert table["time"].to_numpy() == pytest.approx(np.arange(24) * 30 / 25)
        found = duckdb.sql(
            f"select count(*), min(row), max(row) from read_parquet({files})"
        ).fetchall()
        assert found == [(24, 0, 23)]
    histograms = [
        value for file in streams[0].files() for value in pd.read_parquet(file)["value"]
    ]
    for value, expected in zip(histograms, streams[0].load(), strict=True):
        assert np.array_equal(np.stack([np.asarray(v) for v in value]), expected)
    [(pixels,)] = duckdb.sql(
        f"select list_sum(value[1]) from read_parquet({streams[0].files()}) limit 1"
    ).fetchall()
    assert pixels == 64 * 48
    for stream in streams[3:]:
        pictures = []
        for file in stream.files(".mp4"):
            with av.open(file) as container:
                pictures += [
                    f.to_ndarray(format="rgb24") for f in container.decode(video=0)
                ]
        assert [frame_number(p) for p in pictures] == list(range(0, 720, 30))
    exact = NamedVideoStream(sc, "film").load(rows=range(0, 720, 30))
    assert all(np.array_equal(a, b) for a, b in zip(pictures, exact, strict=True))


def test_frames_written_by_hand_are_an_input(sc):
    stream = NamedVideoStream(sc, "by hand")
    stream.save([numbered_frame(i) for i in (5, 2)], FrameType, seconds=[1.0, 1.5])
    output = NamedStream(sc, "out")
    made = sc.ops.SemNumber(frame=sc.io.Input([stream]))
    run(sc, sc.io.Output(made, [output]))
    assert list(output.load()) == [5, 2]
    assert times_of(output) == [1.0, 1.5]
