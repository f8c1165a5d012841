"""What all jobs of a run share, and what each has for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.graph.nodes import SampleNode, topological
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.storage.streams.named import NamedStorage
from tests.support.strided_jobs import filled, strided_graph


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    return filled(tmp_path)


def test_the_shared_graph_has_no_values_and_each_job_has_its_own(
    storage: NamedStorage,
) -> None:
    outputs = strided_graph(storage, [2, 3])
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
