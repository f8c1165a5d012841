"""Binding a job's graph to the lengths and types of its streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.errors import GraphError
from beam_scanner.graph.builder import IOGenerator, StreamsGenerator
from beam_scanner.run.job import Job, JobRecord
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from tests.support.strided_jobs import filled


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
