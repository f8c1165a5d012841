"""A job on its way from a graph of all jobs to bound graphs and tasks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from beam_scanner import JobFailure, NamedStream, PerfParams
from beam_scanner.errors import StorageError
from beam_scanner.graph.nodes import OutputNode, topological
from beam_scanner.kernels import register_python_op, registry
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.run.job import Job, JobRecord, pinned
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.storage.streams.named import NamedStorage
from tests.support.client_helpers import open_client
from tests.support.strided_jobs import LENGTHS, filled, strided_graph


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    return filled(tmp_path)


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


def test_a_stream_between_phases_is_one_object_in_the_folder_of_its_job(
    storage: NamedStorage,
) -> None:
    for number, job in enumerate(jobs_of(storage, strided_graph(storage, [1, 1]))):
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


def test_jobs_are_bound_and_cut_each_for_itself(storage: NamedStorage) -> None:
    jobs = jobs_of(storage, strided_graph(storage, [2, 3]))
    for job in jobs:
        job.check()
    tasks = [[len(job.cuts(f, 2)) for f in range(len(job.families))] for job in jobs]
    # Four rows of each; the op in order makes one task.
    assert tasks == [[2, 1], [2, 1]]
    assert jobs[0].graphs is jobs[0].graphs
    assert jobs[0].cuts(0, 2) is jobs[0].cuts(0, 2)


def test_a_job_that_is_begun_has_a_token_that_an_equal_job_shares(
    storage: NamedStorage,
) -> None:
    job, _ = jobs_of(storage, strided_graph(storage, [1, 1]))
    twin, _ = jobs_of(storage, strided_graph(storage, [1, 1]))
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


def test_an_input_is_read_as_it_was_when_the_run_began(storage: NamedStorage) -> None:
    job, _ = jobs_of(storage, strided_graph(storage, [1, 1]))
    (stream,) = {id(s): s for s in job._inputs() if s.storage() == storage}.values()
    values = job.record.values
    read = {id(stream): stream.fingerprint()}  # type: ignore[attr-defined]
    record = job.record._replace(inputs=pinned(values, read))
    assert [bool(each) for each in record.inputs] == [v is stream for v in values]
    again = Job(record, job._shared, storage.store())
    again.open_input(stream).close()
    assert again.source == read[id(stream)]
    assert isinstance(stream, NamedStream)
    stream.save(list(stream.load()), int)
    with pytest.raises(StorageError, match="was replaced after this run had begun"):
        again.open_input(stream)
    # What it was is kept.
    assert again.source == read[id(stream)]


@pytest.mark.parametrize("when", [1, 5, 9])
@pytest.mark.parametrize("share", [0, 3])
def test_no_output_is_made_of_old_and_new_rows(
    tmp_path: Path, when: int, share: int
) -> None:
    sc = open_client(tmp_path)
    given = [NamedStream(sc, f"in{i}") for i in range(1 + share)]
    for stream in given:
        stream.save(list(range(12)), int)

    def replace(config, x: int) -> int:
        if x == when:
            given[0].save(list(range(100, 112)), int)
        return x

    register_python_op(name="ReplacesItsInput")(replace)
    try:
        outputs = [NamedStream(sc, f"out{i}") for i in range(1 + share)]
        column = sc.ops.ReplacesItsInput(x=sc.io.Input(given))
        with suppress(JobFailure):
            sc.run(sc.io.Output(column, outputs), PerfParams.manual(2, 4))
    finally:
        registry().remove("ReplacesItsInput")
    if when == 1:
        assert not outputs[0].committed()
    for output in outputs:
        assert not output.committed() or list(output.load()) == list(range(12))
