"""Binding a job's graph to the lengths and types of its streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import ElementTypeError, GraphError, UntrustedDataError
from beam_scanner.graph.builder import IOGenerator, StreamsGenerator
from beam_scanner.graph.nodes import OutputNode
from beam_scanner.planner.bound import BoundSource
from beam_scanner.planner.phases import Family
from beam_scanner.run.bind_job import bind_families, check_types
from beam_scanner.run.job import Job, JobRecord
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from tests.support.strided_jobs import LENGTHS, filled, strided_graph


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    return filled(tmp_path)


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


def families(outputs: list[OutputNode], job: int = 0) -> list[Family]:
    shared, nodes = SharedGraph.of(in_phases(outputs))
    return shared.job(values_of(nodes, job))


@pytest.mark.parametrize("job", range(len(LENGTHS)))
def test_streams_between_phases_have_the_length_that_the_graph_says(
    storage: NamedStorage, job: int
) -> None:
    """They are not there yet when a job is bound."""
    record = JobRecord("j", [], f"f{job}", ("a", "b"))
    shared, nodes = SharedGraph.of(in_phases(strided_graph(storage, [2, 3])))
    record = record._replace(values=values_of(nodes, job))
    first, second = Job(record, shared, storage.store()).graphs
    rows = -(-LENGTHS[job] // [2, 3][job])
    assert {output.rows for output in first.outputs} == {rows}
    (source,) = [n for n in second.nodes if isinstance(n, BoundSource)]
    assert source.info.rows == rows
    assert [output.rows for output in second.outputs] == [rows]


def test_an_input_of_another_type_than_the_first_is_refused(
    storage: NamedStorage,
) -> None:
    NamedStream(storage, "number").save([1.5], float)
    NamedStream(storage, "text").save(["a"], str)
    io = IOGenerator(storage)
    inputs = io.Input([NamedStream(storage, name) for name in ("number", "text")])
    outputs = [io.Output(inputs, [NamedStream(storage, f"o{n}") for n in range(2)])]
    check_types(families(outputs, 0))
    with pytest.raises(
        ElementTypeError, match="the first holds float, 'text' holds str"
    ):
        check_types(families(outputs, 1))


@pytest.mark.parametrize(("kind", "value"), [(Any, {1}), (bytes, b"plain")])
def test_pickles_of_a_database_without_trust_are_refused(
    tmp_path: Path, kind: Any, value: Any
) -> None:
    NamedStream(NamedStorage(str(tmp_path)), "given").save([value], kind)
    storage = NamedStorage(str(tmp_path))
    io = IOGenerator(storage)
    column = io.Input([NamedStream(storage, "given")])
    shared, nodes = SharedGraph.of(
        in_phases([io.Output(column, [NamedStream(storage, "made")])])
    )
    doubtful = NamedStorage(str(tmp_path), trusted=False)
    values = [NamedStream(doubtful, stream.name()) for stream in values_of(nodes, 0)]
    if kind is bytes:
        assert len(bind_families(shared.job(values))) == 1
    else:
        with pytest.raises(UntrustedDataError, match="given"):
            bind_families(shared.job(values))
    assert len(bind_families(shared.job(values_of(nodes, 0)))) == 1
