"""What outputs are told of how their source's pictures are to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundOutput, BoundSource
from beam_scanner.storage.stored_rows import RowReader, SegmentWriter
from beam_scanner.video.display import UNSPECIFIED, Display

# Ops that leave colours as they are. Of others nobody knows.
_KEEP_COLOURS = frozenset({"Pass", "Resize", "Blur", "DrawBboxes"})
_SCALE = frozenset({"Resize"})


def keep_displays(
    graph: BoundGraph,
    readers: Mapping[int, RowReader],
    writers: Mapping[int, SegmentWriter],
) -> None:
    """Tells each writer of frames what holds of its first input's source.

    Args:
        graph: The bound graph of a job.
        readers: Of its sources, by their index.
        writers: Of its outputs, by their index.
    """
    for index, node in enumerate(graph.nodes):
        if isinstance(node, BoundOutput) and index in writers:
            display = _display(graph, node, readers)
            if display is not None:
                writers[index].keep_display(display)


def _display(
    graph: BoundGraph, output: BoundOutput, readers: Mapping[int, RowReader]
) -> Display | None:
    ops, at = set[str](), output.edge.producer
    producer = graph.nodes[at]
    while isinstance(producer, BoundOp):
        ops.add(producer.node.spec.name)
        at = producer.edges[0].producer
        producer = graph.nodes[at]
    found = readers[at].display if isinstance(producer, BoundSource) else None
    if found is None:
        return None
    if not ops <= _KEEP_COLOURS:
        found = replace(found, primaries=UNSPECIFIED, transfer=UNSPECIFIED)
    return replace(found, scales=bool(ops & _SCALE))
