"""Graphs whose parts run one after the other."""

from __future__ import annotations

import pickle
import shlex

import pytest

from beam_scanner import (
    JobFailure,
    NamedStream,
    NamedVideoStream,
    PerfParams,
)
from beam_scanner.cli.main import main
from tests.support.client_helpers import (
    work_left,
)
from tests.support.semantics import run

# Phases


@pytest.mark.slow
def test_a_failure_says_what_is_kept_and_how_to_give_it_up(sc, frame, capsys):
    number = sc.ops.SemNumber(frame=frame)
    output = NamedStream(sc, "kept")
    made = sc.io.Output(sc.ops.SemFails(x=number, on=(719,)), [output])
    with pytest.raises(JobFailure, match="row 719") as caught:
        run(sc, made, PerfParams.manual(8, 24))
    told = str(caught.value)
    assert "29 finished tasks of failed streams are kept: the same run again" in told
    assert told.index("row 719") < told.index("Traceback") < told.index("29 finished")
    assert pickle.loads(pickle.dumps(caught.value)).hint == caught.value.hint
    job = run(sc, made, PerfParams.manual(8, 24), on_failure="return")
    assert (sc.report(job).kept, sc.report(job).reused) == (29, 29)
    # The line that it gives does what it says.
    words = shlex.split(caught.value.hint.split("'", 1)[1].rsplit("'", 1)[0])
    assert words[0] == "beam-scanner"
    assert main(words[1:]) == 0
    # Of each task that of a type and that of pickles: its output is Any.
    assert "removed 58 segment files" in capsys.readouterr().out
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


@pytest.mark.slow
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
