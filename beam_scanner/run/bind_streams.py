"""Binds the streams that a pipeline finds to its graph: makes jobs of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam

from beam_scanner.beam_internals.windowing import pane_name, with_earliest_times
from beam_scanner.elements.hints import unread
from beam_scanner.engine.containment import contained
from beam_scanner.errors import ScannerException
from beam_scanner.planner.merge_tasks import jobs_at_once
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.job import JobId, JobRecord
from beam_scanner.run.late_elements import with_earlier
from beam_scanner.run.pipeline_stages import Stage, report_failures
from beam_scanner.run.program import Program

_LOTS = 16

Found = tuple[str, Sequence[Iterable[str]]]
"""Name of a stream, and for each source the paths where it was found: one, if all is well."""


def by_name(found: Sequence[Any]) -> Any:
    """Joins sources by the names of their streams.

    Args:
        found: For each source a PCollection of ``(name, where it lies)``.

    Returns:
        PCollection of ``Found``. Grouping also spreads the streams over the workers.
    """
    timed = tuple(
        with_earliest_times(each, f"Times {number}")
        for number, each in enumerate(found)
    )
    return with_earlier(timed | "By name" >> beam.CoGroupByKey(), len(timed))


class Bind(Stage):
    """Makes a job of each name, with the key of those that are planned together."""

    @unread
    def process(
        self,
        found: Found,
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[Any]:
        """Binds one name."""
        name, listed = found
        program = self.source
        assert isinstance(program, Program)
        if not program.whole_slots:
            return
        try:
            with contained("reading it"):
                paths = [
                    _only(name, slot.label, found_at)
                    for slot, found_at in zip(program.sources, listed, strict=True)
                ]
                job = program.bind(name, paths, pane_name(window, pane))
        except Exception as error:
            yield from report_failures([failure_of(name, error, kind="input")])
        else:
            yield _lot(program, job), tuple(job)


def _lot(program: Program, job: JobRecord) -> str:
    """The key of the jobs among which are those that a job may share a task with.

    It follows from the name alone. Planning is what workers share by it, so there are
    several, though fewer would leave fewer streams without others.
    """
    at_once = jobs_at_once(node for node, _ in program.settings.graph.nodes)
    # Rows that leave have the time of the element that named their stream.
    if at_once == 1 or job.leaves:
        return job.mark
    data = job.name.encode(errors="surrogatepass")
    return str(hashlib.blake2b(data, digest_size=1).digest()[0] % _LOTS)


def planned_together(bound: Any) -> Any:
    """Lists of the jobs that are planned together, by name.

    Args:
        bound: What ``Bind`` gives: PCollection of ``(key, job)``.
    """
    return bound | "Together" >> beam.GroupByKey() | "Jobs" >> beam.Map(_by_name)


@unread
def _by_name(keyed: tuple[str, Iterable[JobId]]) -> list[JobId]:
    return sorted(keyed[1], key=lambda job: str(job[0]))


def _only(name: str, source: str, paths: Iterable[str]) -> str:
    distinct = sorted(set(paths))
    if not distinct:
        raise ScannerException(
            f"{source} has no stream {name!r} to join with that of the other sources"
        )
    if len(distinct) > 1:
        raise ScannerException(
            f"{source} found two streams named {name!r}: {distinct[0]} and "
            f"{distinct[1]}; give name= a function that tells them apart"
        )
    return distinct[0]
