"""What a task leaves."""

from __future__ import annotations

from pathlib import Path

from beam_scanner.planner.bound import BoundOp, BoundOutput, BoundSource
from beam_scanner.run.existing_results import finished
from beam_scanner.run.tasks.task_outputs import (
    manifest_of,
    numbered,
    open_writers,
    put_manifest,
)
from tests.support.small_runs import Setting, SteppedRun, segments


def test_nodes_have_their_numbers(tmp_path: Path) -> None:
    run = SteppedRun(Setting.make(tmp_path / "db"), "run")
    graph = run.context.job(0).graphs[0]
    found = [
        index
        for kind in (BoundSource, BoundOp, BoundOutput)
        for index, _ in numbered(graph, kind)  # type: ignore[type-var]
    ]
    assert sorted(found) == list(range(len(graph.nodes)))


def test_a_manifest_whose_segments_are_gone_is_replaced(tmp_path: Path) -> None:
    setting = Setting.make(tmp_path / "db")
    run = SteppedRun(setting, "run")
    job, task = run.context.job(0), run.tasks[0]
    trace = {"worker": "here", "counters": {}}
    attempts = []
    for _ in range(3):
        writers = open_writers(job, task, job.graphs[task.family])
        records = [writer.finish() for writer in writers.values()]
        put_manifest(job, task, manifest_of(run.context, records, trace))
        found = finished(job, task)
        assert found is not None
        attempts.append(found["outputs"][0]["files"])
        if len(attempts) == 2:
            for segment in segments(setting.output("scaled", 0)):
                segment.unlink()
    # The first one counts, as long as what it lists is there.
    assert attempts[0] == attempts[1] != attempts[2]
