"""One attempt at the tasks of several short streams, which are run as one.

Each stream has its own segments and its own manifest: once they are there, its task is
done like any other. If anything fails, nothing is done, and nobody is to blame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.engine.containment import contained
from beam_scanner.engine.displays import displays_of
from beam_scanner.engine.executor import RowSink, Task, run_task
from beam_scanner.engine.position import WRITE, Position
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.measure.spans import span
from beam_scanner.planner.bound import BoundOp, BoundOutput, BoundSource
from beam_scanner.planner.merged_graph import MergedGraph, merge_graphs
from beam_scanner.run.job import Job
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.tasks.task_outputs import (
    manifest_of,
    numbered,
    open_writers,
    put_manifest,
)
from beam_scanner.run.worker_run import Run, RunCancelled
from beam_scanner.storage.segments.merged_reader import MergedReader
from beam_scanner.storage.stored_rows import Record, SegmentWriter
from beam_scanner.video.display import Display


def run_merged(
    run: Run, tasks: Sequence[TaskId], position: Position, found: TaskTrace
) -> Mapping[str, int]:
    """Runs tasks as one, once, and puts the manifest of each.

    Args:
        run: The run.
        tasks: Of different jobs; each makes all rows of its outputs.
        position: Where to note what is being done.
        found: What is counted and measured.

    Returns:
        What was counted.

    Raises:
        RunCancelled: The run is to be cancelled.
    """
    parts = [_Part(run.job(task.job), task) for task in tasks]
    merged = merge_graphs([part.graph for part in parts])
    try:
        with ExitStack() as stack:
            with found.recording():
                made = _task(run, parts, merged, stack, position, found)
            for _ in run_task(made):
                if run.is_cancelled():
                    raise RunCancelled
        finishing = span("finish")
        doing = position.work.doing(WRITE, "")
        with contained("writing its output"), doing, found.recording(), finishing:
            records = [part.finish() for part in parts]
    except BaseException:
        position.leave_if_forked()
        for part in parts:
            part.abort()
        raise
    traces = _traces(found, merged, len(parts))
    for part, own, trace in zip(parts, records, traces, strict=True):
        put_manifest(part.job, part.task, manifest_of(run, own, trace))
    return found.counters


class _Part:
    """What one stream has of the task.

    Args:
        job: Its job.
        task: Its own task.
    """

    def __init__(self, job: Job, task: TaskId) -> None:
        self.job = job
        self.task = task
        self.graph = job.graphs[task.family]
        self.displays: dict[int, Display] = {}
        self._rows = {i: output.rows for i, output in numbered(self.graph, BoundOutput)}
        self._writers: dict[int, SegmentWriter] = {}
        self._records: dict[int, Record] = {}

    def look_at_displays(self) -> None:
        """Finds out how frames of its outputs are to be shown."""
        with ExitStack() as stack:
            readers = {
                index: stack.enter_context(self.job.open_input(source.node.streams[0]))
                for index, source in numbered(self.graph, BoundSource)
            }
            self.displays = displays_of(self.graph, readers)

    def write(
        self, output: int, first: int, elements: list[Any], seconds: NDArray[np.float64]
    ) -> None:
        """Writes rows of an output; after its last one the segment is complete."""
        self._open()
        self._writers[output].write(first, elements, seconds)
        if first + len(elements) == self._rows[output]:
            # Now: a task may have as many encoders open as it has streams.
            self._records[output] = self._writers[output].finish()

    def finish(self) -> list[Record]:
        """The record of each output, in the order of the graph."""
        self._open()
        for output, writer in self._writers.items():
            if output not in self._records:
                assert not self._rows[output]
                self._records[output] = writer.finish()
        return [self._records[output] for output in self._rows]

    def abort(self) -> None:
        """Throws away what is not complete."""
        for output, writer in self._writers.items():
            if output not in self._records:
                writer.abort()

    def _open(self) -> None:
        if not self._writers:
            self._writers = open_writers(self.job, self.task, self.graph)
            for output, display in self.displays.items():
                self._writers[output].keep_display(display)


class _Output:
    """Gives the rows of one output to the streams that they are of."""

    def __init__(
        self, index: int, parts: Sequence[_Part], starts: NDArray[np.int64]
    ) -> None:
        self._index = index
        self._parts = parts
        self._starts = starts

    def write(
        self, first_row: int, elements: list[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See ``RowSink``."""
        stop = first_row + len(elements)
        for number, part in enumerate(self._parts):
            start, end = self._starts[number : number + 2].tolist()
            low, high = max(start, first_row), min(end, stop)
            if low < high:
                taken = slice(low - first_row, high - first_row)
                part.write(self._index, low - start, elements[taken], seconds[taken])


def _task(
    run: Run,
    parts: Sequence[_Part],
    merged: MergedGraph,
    stack: ExitStack,
    position: Position,
    found: TaskTrace,
) -> Task:
    """What the engine is to do; ``stack`` keeps what it uses."""
    graph, (first, *_) = merged.graph, parts
    ops = {index: op.node for index, op in numbered(first.graph, BoundOp)}
    kernels = stack.enter_context(run.kernels.borrow(ops, first.task.family, position))
    readers = {}
    for index, source in numbered(graph, BoundSource):
        nodes = [(part.job, part.graph.nodes[index]) for part in parts]
        readers[index] = stack.enter_context(
            MergedReader(
                source.info.name,
                merged.starts[index],
                [
                    partial(job.open_input, node.node.streams[0])
                    for job, node in nodes
                    if isinstance(node, BoundSource)
                ],
                source.info.keyframes,
            )
        )
    outputs = dict(numbered(graph, BoundOutput))
    if any(output.node.input.type is None for output in outputs.values()):
        with contained("opening its input"):
            for part in parts:
                part.look_at_displays()
    sinks: dict[int, RowSink] = {
        index: _Output(index, parts, merged.starts[index]) for index in outputs
    }
    names = [part.job.record.name for part in parts]

    def place_of(node: int, row: int) -> tuple[str, int]:
        job, own = merged.place_of(node, row)
        return names[job], own

    return Task(
        graph,
        [(0, output.rows) for output in outputs.values()],
        run.settings.work_packet or min(part.job.work_packet() for part in parts),
        kernels,
        readers,
        sinks,
        names[0],
        run.settings.decoder,
        position,
        place_of,
        found,
    )


def _traces(
    found: TaskTrace, merged: MergedGraph, parts: int
) -> Iterator[dict[str, Any]]:
    """The trace of each stream: the first has what was counted for all of them."""
    whole = found.to_json()
    nothing: dict[str, Any] = {"counters": {}, "seconds": {}}
    nothing |= {"spans": [], "levels": []}
    for number in range(parts):
        trace = {**whole, **(nothing if number else {}), "failed": []}
        for rows in whole["failed"]:
            starts = merged.starts[rows["node"]]
            start, stop = starts[number : number + 2].tolist()
            own = [row - start for row in rows["rows"] if start <= row < stop]
            if own:
                trace["failed"].append({**rows, "rows": own})
        yield trace
