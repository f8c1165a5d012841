"""What all jobs of a run share, and what each has for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.graph.nodes import InputNode, Node, OpNode, SampleNode, topological
from beam_scanner.run.shared_graph import SharedGraph, in_phases, value_of, values_of
from beam_scanner.run.stream_slots import InternalSlot
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


def test_a_graph_of_no_output_has_one_empty_phase() -> None:
    shared, nodes = SharedGraph.of(in_phases([]))
    assert (shared.phases, shared.job([]), nodes) == (1, [], [])


def test_values_and_nodes_must_be_as_many(storage: NamedStorage) -> None:
    shared, nodes = SharedGraph.of(in_phases(strided_graph(storage, [2, 3])))
    with pytest.raises(ValueError, match="zip"):
        shared.job(values_of(nodes, 0)[:-1])


@pytest.mark.parametrize(
    ("phase", "kept"), [(None, set()), (0, {"JobDouble"}), (1, {"JobLast"})]
)
def test_only_the_kernels_of_a_phase_are_sent_for_it(
    storage: NamedStorage, phase: int | None, kept: set[str]
) -> None:
    shared, nodes = SharedGraph.of(in_phases(strided_graph(storage, [2, 3])))
    values = values_of(nodes, 0)
    light, light_values = shared.without_kernels(values, phase)
    ops = [node for node, _ in light.nodes if isinstance(node, OpNode)]
    assert {op.spec.name for op in ops if op.spec.kernel is not None} == kept
    assert {op.spec.name for op in ops} == {"JobDouble", "JobLast"}
    # What planning needs has stayed.
    assert light.families == shared.families
    assert [type(node) for node, _ in light.nodes] == [type(n) for n in nodes]
    assert len(light_values) == len(values)
    # The graph itself is as it was.
    assert all(
        node.spec.kernel is not None
        for node, _ in shared.nodes
        if isinstance(node, OpNode)
    )


def test_what_a_node_holds_for_a_job() -> None:
    assert value_of(Node(), 0) is None
    assert value_of(InputNode(("first", "second")), 1) == "second"  # type: ignore[arg-type]


@pytest.mark.parametrize("trusted", [True, False])
def test_slots_between_phases_are_trusted_as_the_database(
    storage: NamedStorage, trusted: bool
) -> None:
    outputs = strided_graph(storage, [2, 3])
    slots = [
        stream
        for family in in_phases(outputs, trusted)
        for output in family.outputs
        for stream in output.streams
        if isinstance(stream, InternalSlot)
    ]
    # One for each job.
    assert len(slots) == 2
    assert {slot.trusted for slot in slots} == {trusted}
