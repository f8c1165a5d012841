"""The same results and the same counts, however a run is cut."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from beam_scanner import (
    FrameType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from tests.support.client_helpers import (
    IN_MEMORY,
    PROCESSES,
    THREADS,
    open_client,
)
from tests.support.semantics import run

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


@pytest.mark.slow
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


@pytest.mark.slow
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
