"""Passes on how a source's pictures are to be shown (colours, rotation) to outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from beam_scanner.planner.bound import BoundGraph, BoundOutput
from beam_scanner.planner.cut_tasks import Trace
from beam_scanner.storage.stored_rows import RowReader, SegmentWriter
from beam_scanner.video.display import UNSPECIFIED, Display

# Ops that leave colours as they are. Of all others it is unknown.
_KEEP_COLOURS = frozenset(
    {"Pass", "Resize", "Blur", "DrawBboxes", "DrawKeypoints", "DrawText"}
)
_SCALE = frozenset({"Resize"})


def keep_displays(
    graph: BoundGraph,
    readers: Mapping[int, RowReader],
    writers: Mapping[int, SegmentWriter],
) -> None:
    """Gives each writer of frames the display of its first input's source.

    Args:
        graph: The bound graph of a job.
        readers: Of its sources, by their index.
        writers: Of its outputs, by their index.
    """
    for index, display in displays_of(graph, readers).items():
        if index in writers:
            writers[index].keep_display(display)


def displays_of(
    graph: BoundGraph, readers: Mapping[int, RowReader]
) -> dict[int, Display]:
    """How the frames of each output are to be shown, where that is known.

    Args:
        graph: The bound graph of a job.
        readers: Of its sources, by their index.

    Returns:
        The displays, by the index of the output.
    """
    found = {}
    for index, node in enumerate(graph.nodes):
        if isinstance(node, BoundOutput):
            path = Trace(graph, node)
            display = _display(path, readers[path.index].display)
            if display is not None:
                found[index] = display
    return found


def _display(path: Trace, found: Display | None) -> Display | None:
    if found is None:
        return None
    ops = {op.node.spec.name for op in path.ops}
    if not ops <= _KEEP_COLOURS:
        found = replace(found, primaries=UNSPECIFIED, transfer=UNSPECIFIED)
    return replace(found, scales=bool(ops & _SCALE))
