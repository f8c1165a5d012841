"""Publishes the outputs of a family of tasks, once all of them are done."""

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
from beam_scanner.run.existing_results import has_results, is_held, was_published
from beam_scanner.run.job import Job
from beam_scanner.run.job_files import JobFiles, Manifest
from beam_scanner.run.pickled_outputs import log_pickles
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.storage.commit import replaced
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.stored_rows import Publication
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info


def publish_if_last(job: Job, task: TaskId) -> None:
    """Publishes as soon as the family's last task is done.

    Batch runners end a stage before they start the next: without this, a crash at
    95 % would leave no stream committed.
    """
    family = task.family
    if not job.stores(family):
        return
    # Tasks that were done stay so: a million of them must not be asked for each time.
    at = job.waiting.get(family, task.tasks - 1)
    while at >= 0 and (at == task.task or job.files.manifest(family, at) is not None):
        at -= 1
    job.waiting[family] = at
    if at >= 0:
        return
    found = _manifests(job, family, task.tasks)
    if len(found) == task.tasks and has_results(job, family, found):
        # Not an error of the task; the end of the job tries again, and reports it.
        with suppress(StreamReplacedError, OutcomeUnknownError):
            _publish(job, family, found)


def publish_at_end(job: Job, family: int, tasks: int) -> None:
    """Makes sure that a family, all of whose tasks were run, is published.

    Raises:
        StreamReplacedError: Another run has published one of its outputs meanwhile.
        ScannerException: Manifests of tasks are missing.
    """
    if not job.stores(family):
        return
    if was_published(job, family):
        # A job whose stream another run has replaced since then has not failed.
        for output in job.families[family].outputs:
            tidy(output.streams[0], job.record.token)
        return
    found = _manifests(job, family, tasks)
    if len(found) != tasks:
        # An equal run may have published the result and removed the manifests.
        if is_held(job, family):
            return
        raise ScannerException(
            f"stream {job.record.name!r}: {tasks - len(found)} of {tasks} tasks "
            "left no manifest, although all were run"
        )
    _publish(job, family, found)


def _manifests(job: Job, family: int, tasks: int) -> list[Manifest]:
    """Manifests of a family's tasks, as far as there are any."""
    listed = (job.files.manifest(family, number) for number in range(tasks))
    return [manifest for manifest in listed if manifest is not None]


def _publish(job: Job, number: int, found: Sequence[Manifest]) -> None:
    """Commits the outputs of a family, once; doing it again changes nothing.

    Raises:
        StreamReplacedError: Another run has published one of them meanwhile.
    """
    if job.files.published(number) is not None:
        return
    family = job.families[number]
    _check_unreplaced(job, number)
    notes = []
    for place, (output, index) in enumerate(family.numbered()):
        segments = [manifest["outputs"][place] for manifest in found]
        notes.append(_commit(job, output, segments, index))
    # The note outlives the descriptors, which another run may replace from now on.
    job.files.put_published(number, notes)


def _check_unreplaced(job: Job, number: int) -> None:
    """Raises before any output is stored where another run has taken one of them."""
    family, token = job.families[number], job.record.token
    for output, index in family.numbered():
        stream = output.streams[0]
        if index == INTERNAL or not isinstance(stream, NamedStream):
            continue
        found = NamedStream.try_descriptor(stream)
        if (
            found is not None
            and found.generation not in (job.seen(index), token)
            and found.run != token
            and found.fingerprint != job.fingerprint(index)
        ):
            raise StreamReplacedError(replaced(found))


def _commit(
    job: Job, output: OutputNode, segments: list[Any], index: int
) -> list[Any] | None:
    """Commits one output; returns its rows and its fingerprint."""
    stream, token = output.streams[0], job.record.token
    fingerprint = job.fingerprint(index)
    kind = output.input.type or get_type_info(FrameType)
    found = stream.publish(
        Publication(
            token,
            segments,
            fingerprint,
            token,
            job.source,
            type_name=kind.name,
            seen=None if index == INTERNAL else job.seen(index),
        )
    )
    if not isinstance(found, StreamDescriptor):
        return None
    log_pickles(output, found)
    return [found.rows, found.fingerprint]


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


def end_published(files: JobFiles, streams: Sequence[StoredStream]) -> None:
    """Ends a job whose run was interrupted after all its outputs were published."""
    token = files.token()
    if token is not None:
        for stream in streams:
            tidy(stream, token)
    files.remove()


def give_up(job: Job, seen: Sequence[str] | None = None) -> None:
    """Leaves nothing of a job that cannot publish its streams.

    Args:
        job: The job.
        seen: See :meth:`JobFiles.remove`: where another run goes on with the work, it
            stays.
    """
    if job.files.remove(seen):
        for stream in job.output_streams:
            if isinstance(stream, NamedStream):
                stream.discard(job.record.token)
