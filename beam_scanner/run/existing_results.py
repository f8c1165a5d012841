"""Whether results are there already: of a whole job, of one family, of one task.

Nothing else decides that something need not be computed. A result counts as there where
the fingerprint is equal and its files are whole; one that this very job has published
(its *token* says so) counts even where another run has replaced it since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from beam_scanner.run.job_files import JobFiles, Manifest
from beam_scanner.run.run_tokens import RunTokens
from beam_scanner.run.stream_slots import BranchSlot
from beam_scanner.storage.commit import replaced
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStream

if TYPE_CHECKING:
    from beam_scanner.run.job import Job
    from beam_scanner.run.tasks.stage_elements import TaskId


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


def was_made_by(stream: StoredStream, token: str) -> bool:
    """Whether a stream holds what the job with this token has committed."""
    if not isinstance(stream, NamedStream):
        return False
    found = NamedStream.try_descriptor(stream)
    return found is not None and found.run == token and stream.is_whole(found)


def is_spent(
    files: JobFiles,
    streams: Sequence[StoredStream],
    fingerprints: Sequence[str],
    token: str,
) -> bool:
    """Whether a job's streams were published under a token and are gone since.

    Another run that replaced or removed them may still be removing its files.

    Args:
        files: Of the job.
        streams: Its outputs.
        fingerprints: Of each output.
        token: The token.
    """
    published = files.published_under(token)
    return any(
        wanted in published
        and isinstance(stream, NamedStream)
        and not was_made_by(stream, token)
        and not holds(stream, wanted)
        for stream, wanted in zip(streams, fingerprints, strict=True)
    ) or any(
        found.previous == token
        or (found.generation == token and not stream.is_whole(found))
        for stream in streams
        if isinstance(stream, NamedStream)
        if (found := NamedStream.try_descriptor(stream)) is not None
    )


class Results:
    """Whether the results of a job are there, before anything of it is run.

    Args:
        files: Of the job.
        streams: Its outputs.
        fingerprints: Of each output.
        runs: Gives the tokens of runs. Jobs of interrupted ones may have no files any
            more; what one at work has published is not there to be gone on with.

    Attributes:
        published_by: Tokens of interrupted runs that have published outputs, as far as
            outputs were looked at.
    """

    def __init__(
        self,
        files: JobFiles,
        streams: Sequence[StoredStream],
        fingerprints: Sequence[str],
        runs: Callable[[], RunTokens] = RunTokens,
    ) -> None:
        self._files = files
        self._streams = streams
        self._fingerprints = fingerprints
        self._runs = runs
        self.published_by: set[str] = set()
        self._token: str | None = ""

    def are_there(self) -> bool:
        """Whether all outputs hold them, whoever made them."""
        return all(map(holds, self._streams, self._fingerprints))

    def are_published(self) -> bool:
        """Whether an interrupted run has published them: only its work is left."""
        return all(map(self._is_published, self._streams, self._fingerprints))

    def in_the_way(self) -> list[StoredStream]:
        """Outputs that are committed, but not by an interrupted run of this job."""
        return [
            stream
            for stream, wanted in zip(self._streams, self._fingerprints, strict=True)
            if stream.committed() and not self._is_published(stream, wanted)
        ]

    def _is_published(self, stream: StoredStream, wanted: str) -> bool:
        # Most jobs are not asked for it, and storage may be far away. No cached_property:
        # that of Python 3.11 has one lock for all jobs of a process.
        if self._token == "":
            self._token = self._files.token()
        if self._token is not None and was_made_by(stream, self._token):
            if self._token in self._runs().live:
                return False
            self.published_by.add(self._token)
            return True
        interrupted = self._runs().interrupted
        if not interrupted or not isinstance(stream, NamedStream):
            return False
        found = NamedStream.try_descriptor(stream)
        if found is None or found.run not in interrupted or not holds(stream, wanted):
            return False
        self.published_by.add(found.run)
        return True


def was_published(job: Job, family: int) -> bool:
    """Whether this job has published a family, be it replaced since."""
    return job.files.published(family) is not None or all(
        isinstance(output.streams[0], BranchSlot)
        or was_made_by(output.streams[0], job.record.token)
        for output in job.families[family].outputs
    )


def is_held(job: Job, number: int) -> bool:
    """Whether the outputs of a family hold its result, whoever made it."""
    family = job.families[number]
    return all(
        isinstance(output.streams[0], BranchSlot)
        or holds(output.streams[0], job.fingerprint(index))
        for output, index in family.numbered()
    )


def reason_not_made(job: Job) -> str:
    """Why a job whose work another run has ended is not done; '' if it is."""
    is_done = True
    for number, output in job.numbered_outputs:
        stream = output.streams[0]
        if holds(stream, job.fingerprint(number)):
            continue
        is_done = False
        if isinstance(stream, NamedStream):
            found = NamedStream.try_descriptor(stream)
            ours = ("", job.seen(number), job.record.token)
            if found is not None and found.generation not in ours:
                return replaced(found)
    if is_done:
        return ""
    return "its unfinished work was removed while it ran, as by gc: run it again"


def finished(job: Job, task: TaskId) -> Manifest | None:
    """The manifest of a task that need not be run; None if it must be."""
    manifest = job.files.manifest(task.family, task.task)
    if manifest is None or not has_results(job, task.family, [manifest]):
        return None
    return manifest


def has_results(job: Job, number: int, manifests: Sequence[Manifest]) -> bool:
    """Whether all that the manifests of tasks list is there, or is published.

    Publishing may write segments again, and then removes those of the manifests.
    """
    return all(
        not isinstance(output.streams[0], NamedStream)
        or _has_segments(
            job, output.streams[0], [m["outputs"][place] for m in manifests]
        )
        or _is_published(job, number, place)
        for place, output in enumerate(job.families[number].outputs)
    )


def _has_segments(job: Job, stream: NamedStream, records: Sequence[Any]) -> bool:
    return all(stream.has_segment(job.record.token, record) for record in records)


def _is_published(job: Job, number: int, place: int) -> bool:
    """Whether this job has published one output of a family, be it replaced since."""
    output = (number, place)
    # To see that a stream is whole takes longer than its tasks should each wait.
    if output not in job.published:
        stream = job.families[number].outputs[place].streams[0]
        if job.files.published(number) is None and not was_made_by(
            stream, job.record.token
        ):
            return False
        job.published.add(output)
    return True
