"""Publishing the outputs of a family of tasks, once all of them are done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from beam_scanner.errors import (
    OutcomeUnknownError,
    ScannerException,
    StreamReplacedError,
)
from beam_scanner.graph.nodes import OutputNode
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.run.context import JobState
from beam_scanner.run.run_files import Manifest
from beam_scanner.run.slots import LeavingSlot
from beam_scanner.run.tasks.task_id import TaskId
from beam_scanner.storage.commit import replaced
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info


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
        # It is no fault of the task; the end of the job tries again, and tells.
        with suppress(StreamReplacedError, OutcomeUnknownError):
            publish_family(state, family, found)


def manifests_of(state: JobState, family: int, tasks: int) -> list[Manifest]:
    """Manifests of a family's tasks, as far as there are any."""
    listed = (state.files.manifest(family, number) for number in range(tasks))
    return [manifest for manifest in listed if manifest is not None]


def end_family(state: JobState, number: int, tasks: int) -> None:
    """Makes sure that a family, all of whose tasks were run, is published."""
    if not state.stores(number) or _was_published(state, number):
        return
    found = manifests_of(state, number, tasks)
    if len(found) != tasks:
        if _is_held(state, number):
            return
        raise ScannerException(
            f"stream {state.record.name!r}: {tasks - len(found)} of {tasks} tasks "
            "left no manifest, although all were run"
        )
    publish_family(state, number, found)


def _was_published(state: JobState, number: int) -> bool:
    """Whether this job has published a family, be it replaced since; tidies up."""
    outputs = state.families[number].outputs
    if state.files.published(number) is None and not all(
        isinstance(output.streams[0], LeavingSlot)
        or was_made_by(output.streams[0], state.record.token)
        for output in outputs
    ):
        return False
    for output in outputs:
        tidy(output.streams[0], state.record.token)
    return True


def _is_held(state: JobState, number: int) -> bool:
    """Whether the outputs of a family hold its result, whoever made it."""
    family = state.families[number]
    return all(
        isinstance(output.streams[0], LeavingSlot)
        or holds(output.streams[0], state.fingerprint(index))
        for output, index in zip(family.outputs, family.numbers, strict=True)
    )


def publish_family(state: JobState, number: int, found: Sequence[Manifest]) -> None:
    """Commits the outputs of a family, once; doing it again changes nothing.

    Raises:
        StreamReplacedError: Another run has published one of them meanwhile.
    """
    if state.files.published(number) is not None:
        return
    family = state.families[number]
    _check_unreplaced(state, number)
    told = []
    for place, (output, index) in enumerate(
        zip(family.outputs, family.numbers, strict=True)
    ):
        segments = [manifest["outputs"][place] for manifest in found]
        told.append(_publish(state, output, segments, index))
    # Where they are replaced after that, the descriptors do not tell any more.
    state.files.put_published(number, told)


def _check_unreplaced(state: JobState, number: int) -> None:
    """Raises before any output is stored where another run has taken one of them."""
    family, token = state.families[number], state.record.token
    for output, index in zip(family.outputs, family.numbers, strict=True):
        stream = output.streams[0]
        if index == INTERNAL or not isinstance(stream, NamedStream):
            continue
        found = NamedStream.try_descriptor(stream)
        if (
            found is not None
            and found.generation not in (state.seen(index), token)
            and found.run != token
            and found.fingerprint != state.fingerprint(index)
        ):
            raise StreamReplacedError(replaced(found))


def _publish(
    state: JobState, output: OutputNode, segments: list[Any], index: int
) -> list[Any] | None:
    """Commits one output; what is told of it: its rows and its fingerprint."""
    stream, token = output.streams[0], state.record.token
    is_internal = index == INTERNAL
    fingerprint = state.fingerprint(index)
    if not isinstance(stream, NamedStream):
        stream.publish(token, segments, fingerprint, token, state.source)
        return None
    kind = output.input.type or get_type_info(FrameType)
    found = stream.publish(
        token,
        segments,
        fingerprint,
        token,
        state.source,
        type_name=kind.name,
        seen=None if is_internal else state.seen(index),
    )
    return [found.rows, found.fingerprint]


def was_made_by(stream: StoredStream, token: str) -> bool:
    """Whether a stream holds what the run with this token has committed."""
    if not isinstance(stream, NamedStream):
        return False
    found = NamedStream.try_descriptor(stream)
    return found is not None and found.run == token and stream.is_whole(found)


def holds(stream: StoredStream, fingerprint: str) -> bool:
    """Whether a stream holds the result with this fingerprint, all of it."""
    if not isinstance(stream, NamedStream):
        return stream.committed()
    found = NamedStream.try_descriptor(stream)
    return (
        found is not None
        and found.fingerprint == fingerprint
        and stream.is_whole(found)
    )


def is_spent(streams: Sequence[StoredStream], token: str) -> bool:
    """Whether a job's streams were published under a token and are gone since.

    Whoever replaced or removed them may still be at removing its files.
    """
    for stream in streams:
        if isinstance(stream, NamedStream):
            found = NamedStream.try_descriptor(stream)
            if found is not None and (
                found.previous == token
                or (found.generation == token and not stream.is_whole(found))
            ):
                return True
    return False


def why_over(state: JobState) -> str:
    """Why a job of which another run has ended the work is not done; '' if it is."""
    is_done = True
    for number, output in state.numbered_outputs:
        stream = output.streams[0]
        if holds(stream, state.fingerprint(number)):
            continue
        is_done = False
        if isinstance(stream, NamedStream):
            found = NamedStream.try_descriptor(stream)
            ours = ("", state.seen(number), state.record.token)
            if found is not None and found.generation not in ours:
                return replaced(found)
    if is_done:
        return ""
    return "its unfinished work was removed while it ran, as by gc: run it again"


def tidy(stream: StoredStream, token: str) -> None:
    """Removes segments that lost, where a run has ended before it could.

    Args:
        stream: An output.
        token: Of the job, which has published the stream.
    """
    if isinstance(stream, NamedStream):
        found = NamedStream.try_descriptor(stream)
        if found is not None and found.generation == token:
            stream.tidy(token)
        else:
            stream.discard(token)


def give_up(state: JobState, seen: Sequence[str] | None = None) -> None:
    """Leaves nothing of a job that cannot publish its streams.

    Args:
        state: The job.
        seen: See :meth:`JobFiles.remove`: where another run goes on with the work, it
            stays.
    """
    if state.files.remove(seen):
        for _, output in state.numbered_outputs:
            stream = output.streams[0]
            if isinstance(stream, NamedStream):
                stream.discard(state.record.token)
