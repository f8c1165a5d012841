"""Publishing the outputs of a family of tasks, once all of them are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beam_scanner.errors import ScannerException
from beam_scanner.graph import OutputNode
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.storage.backend import StoredStream
from beam_scanner.storage.named import NamedStream
from beam_scanner.transforms.context import JobState
from beam_scanner.transforms.task_id import TaskId
from beam_scanner.transforms.work import Manifest
from beam_scanner.types import FrameType, get_type_info


def has_segments(state: JobState, task: TaskId, manifest: Manifest) -> bool:
    """Whether the segments that a manifest lists are there."""
    outputs = state.families[task.family].outputs
    return all(
        not isinstance(output.streams[0], NamedStream)
        or output.streams[0].has_segment(state.record.token, record)
        for output, record in zip(outputs, manifest["outputs"], strict=True)
    )


def publish_if_last(state: JobState, task: TaskId) -> None:
    """Publishes as soon as the family's last task is done.

    Batch runners end a stage before they start the next: without this, a crash at
    95 % would leave no stream committed.
    """
    files, family = state.files, task.family
    if not state.stores(family):
        return
    # Tasks that were done stay so: a million of them must not be asked for each time.
    at = state.waiting.get(family, task.tasks - 1)
    while at >= 0 and (at == task.task or files.manifest(family, at) is not None):
        at -= 1
    state.waiting[family] = at
    if at >= 0:
        return
    found = manifests_of(state, family, task.tasks)
    if len(found) == task.tasks and all(has_segments(state, task, m) for m in found):
        publish_family(state, family, found)


def manifests_of(state: JobState, family: int, tasks: int) -> list[Manifest]:
    """Manifests of a family's tasks, as far as there are any."""
    listed = (state.files.manifest(family, number) for number in range(tasks))
    return [manifest for manifest in listed if manifest is not None]


def end_family(state: JobState, number: int, tasks: int) -> None:
    """Makes sure that a family, all of whose tasks were run, is published."""
    outputs = state.families[number].outputs
    if not state.stores(number) or all(
        was_made_by(output.streams[0], state.record.token) for output in outputs
    ):
        return
    found = manifests_of(state, number, tasks)
    if len(found) != tasks:
        raise ScannerException(
            f"stream {state.record.name!r}: {tasks - len(found)} of {tasks} tasks "
            "left no manifest, although all were run"
        )
    publish_family(state, number, found)


def publish_family(state: JobState, number: int, found: Sequence[Manifest]) -> None:
    """Commits the outputs of a family; doing it again changes nothing."""
    family = state.families[number]
    for place, (output, index) in enumerate(
        zip(family.outputs, family.numbers, strict=True)
    ):
        segments = [manifest["outputs"][place] for manifest in found]
        fingerprint = (
            state.record.fingerprint
            if index == INTERNAL
            else state.record.outputs[index]
        )
        _publish(state, output, segments, fingerprint)


def _publish(
    state: JobState, output: OutputNode, segments: list[Any], fingerprint: str
) -> None:
    stream, token = output.streams[0], state.record.token
    if isinstance(stream, NamedStream):
        kind = output.input.type or get_type_info(FrameType)
        stream.publish(
            token, segments, fingerprint, token, state.source, type_name=kind.name
        )
    else:
        stream.publish(token, segments, fingerprint, token, state.source)


def was_made_by(stream: StoredStream, token: str) -> bool:
    """Whether a stream holds what the run with this token has committed."""
    if not isinstance(stream, NamedStream):
        return False
    found = stream.try_descriptor()
    return found is not None and found.run == token


def tidy(stream: StoredStream, token: str) -> None:
    """Removes segments that lost, where a run has ended before it could."""
    if isinstance(stream, NamedStream):
        stream.tidy(token)
