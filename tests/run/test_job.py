"""A job on its way from a graph of all jobs to bound graphs and tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import GraphError
from beam_scanner.graph.builder import IOGenerator, OpGenerator, StreamsGenerator
from beam_scanner.graph.nodes import OutputNode, SampleNode, topological
from beam_scanner.kernels import register_python_op
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.run.job import Job, JobRecord
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.run.stream_slots import InternalSlot
from beam_scanner.storage.streams.named import NamedStorage, NamedStream

LENGTHS = (7, 12)


@register_python_op(name="JobDouble")
def double(config: Any, x: Any) -> Any:
    return 2 * x


@register_python_op(name="JobLast", unbounded_state=True)
def last(config: Any, x: Any) -> Any:
    return x


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    storage = NamedStorage(str(tmp_path))
    storage.store(create=True)
    for job, length in enumerate(LENGTHS):
        NamedStream(storage, f"in{job}").save(list(range(length)), Any)
    return storage


def graph(storage: NamedStorage, strides: list[int]) -> list[OutputNode]:
    """Two outputs; the second is made in a second phase, from doubled rows."""
    io, ops = IOGenerator(storage), OpGenerator(storage)
    streams = StreamsGenerator(storage)
    jobs = range(len(LENGTHS))
    some = streams.Stride(
        io.Input([NamedStream(storage, f"in{job}") for job in jobs]), strides
    )
    doubled = ops.JobDouble(x=some)
    return [
        io.Output(doubled, [NamedStream(storage, f"doubled{job}") for job in jobs]),
        io.Output(
            ops.JobLast(x=doubled), [NamedStream(storage, f"last{job}") for job in jobs]
        ),
    ]


def jobs_of(storage: NamedStorage, outputs: list[OutputNode]) -> list[Job]:
    shared, nodes = SharedGraph.of(in_phases(outputs))
    store = storage.store()
    return [
        Job(
            JobRecord(f"job{job}", values_of(nodes, job), f"f{job}", ("a", "b")),
            shared,
            store,
        )
        for job in range(len(LENGTHS))
    ]


def test_the_shared_graph_has_no_values_and_each_job_has_its_own(
    storage: NamedStorage,
) -> None:
    outputs = graph(storage, [2, 3])
    shared, nodes = SharedGraph.of(in_phases(outputs))
    assert shared.phases == 2
    assert [node.job_count() for node, _ in shared.nodes] == [
        None if node.job_count() is None else 0 for node in nodes
    ]
    for job, stride in enumerate([2, 3]):
        families = shared.job(values_of(nodes, job))
        made = topological([o for family in families for o in family.outputs])
        (sampler,) = [n.samplers for n in made if isinstance(n, SampleNode)]
        assert sampler[0].stride == stride  # type: ignore[union-attr]


def test_a_stream_between_phases_is_one_object_in_the_folder_of_its_job(
    storage: NamedStorage,
) -> None:
    for number, job in enumerate(jobs_of(storage, graph(storage, [1, 1]))):
        (between,) = [
            output.streams[0]
            for family in job.families
            for output, index in zip(family.outputs, family.numbers, strict=True)
            if index == INTERNAL
        ]
        assert between.storage().db_path.endswith(f".work/jobs/f{number}/internal")  # type: ignore[attr-defined]
        read = [
            node.streams[0]  # type: ignore[attr-defined]
            for node in topological(job.families[-1].outputs)
            if not node.inputs
        ]
        assert read == [between]
        assert read[0] is between
        assert [stream.name() for stream in job.output_streams] == [
            f"doubled{number}",
            f"last{number}",
        ]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_stream_between_phases_is_trusted_as_its_database(trusted: bool) -> None:
    stream = InternalSlot(3, trusted).make("/tmp/some/where")
    assert stream.storage().trusted is trusted
    assert stream.name() == "3"


def test_jobs_are_bound_and_cut_each_for_itself(storage: NamedStorage) -> None:
    jobs = jobs_of(storage, graph(storage, [2, 3]))
    for job in jobs:
        job.check()
    tasks = [[len(job.cuts(f, 2)) for f in range(len(job.families))] for job in jobs]
    # Four rows of each; the op in order makes one task.
    assert tasks == [[2, 1], [2, 1]]
    assert jobs[0].graphs is jobs[0].graphs
    assert jobs[0].cuts(0, 2) is jobs[0].cuts(0, 2)


def test_outputs_that_differ_in_rows_are_refused(storage: NamedStorage) -> None:
    io, streams = IOGenerator(storage), StreamsGenerator(storage)
    inputs = io.Input([NamedStream(storage, "in0")])
    few = streams.Range(inputs, [(0, 3)])
    outputs = [
        io.Output(inputs, [NamedStream(storage, "all")]),
        io.Output(few, [NamedStream(storage, "few")]),
    ]
    shared, nodes = SharedGraph.of(in_phases(outputs))
    record = JobRecord("all", values_of(nodes, 0), "f", ("a", "b"))
    job = Job(record, shared, storage.store())
    with pytest.raises(GraphError, match="'all' would have 7, 'few' 3"):
        job.check()
    Job(record, shared, storage.store()).check(equal_rows=False)


def test_a_job_that_is_begun_has_a_token_that_an_equal_job_shares(
    storage: NamedStorage,
) -> None:
    job, _ = jobs_of(storage, graph(storage, [1, 1]))
    twin, _ = jobs_of(storage, graph(storage, [1, 1]))
    assert job.cached
    for each in (job, twin):
        each.record = each.record._replace(seen=("", ""))
        each.begin()
    assert not job.cached
    assert job.record.token == twin.record.token
    assert not job.files.is_over()
    assert twin.files.remove()
    assert job.files.is_over()


def test_files_of_a_job_of_which_rows_leave_are_those_of_its_run(
    storage: NamedStorage,
) -> None:
    record = JobRecord("a", [], "f", ("a",), mark="m", leaves=True)
    files = record.files(storage.store(), "run")
    assert files.internal == ".work/runs/run/jobs/m/internal"
    kept = record._replace(leaves=False).files(storage.store(), "run")
    assert kept.internal == ".work/jobs/f/internal"
