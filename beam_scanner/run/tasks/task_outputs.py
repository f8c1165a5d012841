"""What a task leaves: its segments and its manifest."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundOutput, BoundSource
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.run.existing_results import finished
from beam_scanner.run.job import Job
from beam_scanner.run.job_files import Manifest
from beam_scanner.run.pickled_outputs import may_infer
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.worker_run import Run
from beam_scanner.storage.stored_rows import Record, SegmentTask, SegmentWriter
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info

_Bound = TypeVar("_Bound", BoundOp, BoundOutput, BoundSource)


def numbered(graph: BoundGraph, kind: type[_Bound]) -> Iterator[tuple[int, _Bound]]:
    """The nodes of a kind, with their numbers in the graph."""
    for index, node in enumerate(graph.nodes):
        if isinstance(node, kind):
            yield index, node


def open_writers(job: Job, task: TaskId, graph: BoundGraph) -> dict[int, SegmentWriter]:
    """A writer for each output of a task, by its number in the graph."""
    # Attempts at one task may overlap, on several machines: none overwrites another's.
    attempt = uuid.uuid4().hex[:12]
    outputs = numbered(graph, BoundOutput)
    numbers = job.families[task.family].numbers
    writers: dict[int, SegmentWriter] = {}
    for (index, output), (first, _), number in zip(
        outputs, task.intervals, numbers, strict=True
    ):
        writers[index] = output.node.streams[0].segment_writer(
            SegmentTask(
                job.record.token,
                task.task,
                attempt,
                first,
                output.node.input.encoding,
                output.node.input.type or get_type_info(FrameType),
                infer=number != INTERNAL and may_infer(output.node),
            )
        )
    return writers


def manifest_of(
    run: Run, records: Sequence[Record], trace: Mapping[str, Any]
) -> Manifest:
    """The manifest of a task.

    Args:
        run: The run.
        records: Of the segments of its outputs, in the order of the graph.
        trace: What was done, as ``TaskTrace.to_json`` gives it.
    """
    return {"run": run.files.run, "outputs": list(records), "trace": dict(trace)}


def put_manifest(job: Job, task: TaskId, manifest: Manifest) -> None:
    """Ends a task, unless another attempt has done so."""
    won = job.files.put_manifest(task.family, task.task, manifest)
    if not won and finished(job, task) is None:
        # The segments of the attempt that was first have gone meanwhile.
        job.files.put_manifest(task.family, task.task, manifest, replace=True)
