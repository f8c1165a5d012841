"""Which short streams share a task, so that the batches of models are full.

A model that takes 64 rows at a time is called for 10 where a stream has 10. Some ops take
rows of several slice groups in a call, since they treat every row alike: streams
whose tasks have too few rows for them are put into one task. Which ones follows from the
graph, the order of the streams and their lengths alone, never from the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from beam_scanner.graph.nodes import Node, OpNode
from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundSource
from beam_scanner.planner.cut_tasks import (
    TARGET_DECODED,
    TaskCuts,
    frames_to_decode,
)

MOST_DECODED = 4 * TARGET_DECODED
"""Frames that a task of several streams decodes, at most: with more, decoding takes far
longer than calling a model, and too few workers would share it."""

FULL = 0.9
"""A task has enough streams when so much of its batches is filled."""

_LEAST_JOBS = 64


@dataclass(frozen=True)
class ShortTask:
    """The only task of a short stream, as far as it matters who shares it.

    Attributes:
        rows: Of each op whose batches are to be filled.
        batches: Of the same ops.
        outputs: Rows of the longest output.
        decoded: Frames that are decoded for it.
        kinds: For each source whether decoding starts at keyframes.
    """

    rows: tuple[int, ...]
    batches: tuple[int, ...]
    outputs: int
    decoded: int
    kinds: tuple[bool, ...]


def jobs_at_once(nodes: Iterable[Node]) -> int:
    """How many jobs are planned together, in order, to find some that share tasks.

    Args:
        nodes: Of the graph.

    Returns:
        1 where none ever do.
    """
    batches = [n.batch for n in nodes if isinstance(n, OpNode) and _has_batches(n)]
    return max(_LEAST_JOBS, 2 * max(batches)) if batches else 1


def short_task(graph: BoundGraph, cuts: TaskCuts) -> ShortTask | None:
    """A job's task, if others may share it.

    Args:
        graph: The bound graph.
        cuts: Its tasks.

    Returns:
        None where there are several tasks, where no op has batches to be filled, where
        one of these has more rows than a batch, or keeps state from row to row.
    """
    ops = [
        (index, node)
        for index, node in enumerate(graph.nodes)
        if isinstance(node, BoundOp) and _has_batches(node.node)
    ]
    if len(cuts) != 1 or not ops or any(op.stateful for _, op in ops):
        return None
    intervals = cuts.intervals(0)
    needs = graph.needs(intervals)
    rows = tuple(len(needs[index]) for index, _ in ops)
    batches = tuple(op.node.batch for _, op in ops)
    if not all(0 < n < batch for n, batch in zip(rows, batches, strict=True)):
        return None
    return ShortTask(
        rows,
        batches,
        max(stop - start for start, stop in intervals),
        frames_to_decode(graph, needs),
        tuple(
            node.info.keyframes is not None
            for node in graph.nodes
            if isinstance(node, BoundSource)
        ),
    )


def _has_batches(op: OpNode) -> bool:
    return op.batch > 1 and op.spec.across_groups


def merge_tasks(tasks: Sequence[ShortTask], io_packet: int = 0) -> list[range]:
    """Puts tasks of streams that follow one another together.

    Args:
        tasks: Theirs, in order.
        io_packet: Most output rows of a task; 0 for any number.

    Returns:
        Which tasks are one, in order; most of them alone where streams are long.

    Examples:
        >>> clip = ShortTask((10,), (64,), 10, 10, (True,))
        >>> merge_tasks([clip] * 20)
        [range(0, 6), range(6, 12), range(12, 18), range(18, 20)]
        >>> merge_tasks([clip] * 20, io_packet=40)[0]
        range(0, 4)
    """
    found, start = [], 0
    while start < len(tasks):
        count = _how_many(tasks, start, io_packet)
        found.append(range(start, start + count))
        start += count
    return found


def _how_many(tasks: Sequence[ShortTask], start: int, io_packet: int) -> int:
    """How many tasks, from one on, fill batches best; of equal ones the fewest."""
    best, most, first = 0.0, 1, tasks[start]
    rows, outputs, decoded = [0] * len(first.rows), 0, 0
    for count in range(1, len(tasks) - start + 1):
        task = tasks[start + count - 1]
        outputs, decoded = outputs + task.outputs, decoded + task.decoded
        is_large = decoded > MOST_DECODED or (0 < io_packet < outputs)
        if count > 1 and (is_large or task.kinds != first.kinds):
            break
        rows = [a + b for a, b in zip(rows, task.rows, strict=True)]
        filled = _filled(rows, task.batches)
        if filled > best:
            best, most = filled, count
        elif best >= FULL:
            break
    return most


def _filled(rows: Sequence[int], batches: Sequence[int]) -> float:
    """How much of the batches that take these rows is filled, from 0 to 1."""
    room = sum(-(-n // batch) * batch for n, batch in zip(rows, batches, strict=True))
    return sum(rows) / room
