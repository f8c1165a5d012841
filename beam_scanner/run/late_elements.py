"""Streams of windows whose elements may be late.

When a window has ended, what comes late comes in parts: a name of one source without
that of the other, outcomes of tasks a few at a time. Beam could give them together with
what came before (its accumulating mode), but runners differ in how often they then do.
So state keeps what was there. In windows that allow no lateness there is none of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam import typehints

from beam_scanner.beam_internals.windowing import bag_state, may_be_late
from beam_scanner.elements.hints import unread
from beam_scanner.run.job import JobId, JobRecord
from beam_scanner.run.tasks.stage_elements import Outcome

_PLANNED = "planned"
"""Takes the position of an outcome's kind where what follows is their number."""

WHOLE = "whole"
"""Takes the position of an outcome's kind where what follows is all there is of a job."""

_KEYED = typehints.Tuple[str, typehints.Any]

_FOUND = bag_state("found")
_OUTCOMES = bag_state("outcomes")


def with_earlier(grouped: Any, sources: int = 0) -> Any:
    """What was found under a name, with what was found in the same window before.

    This detects a second path under the same name even when it arrives late, and joins a
    late stream with those that arrived on time.

    Args:
        grouped: PCollection of names with what was found under them: paths; or, of
            several sources, a list of these for each.
        sources: How many sources; 0 where there are paths alone.
    """
    if not may_be_late(grouped):
        return grouped
    return (
        grouped
        | "Listed" >> beam.ParDo(_Listed(sources)).with_output_types(_KEYED)
        | "With earlier" >> beam.ParDo(_WithEarlier(sources))
    )


class _Listed(beam.DoFn):  # type: ignore[misc]
    """Found values as a list of pairs: number of the source, path."""

    def __init__(self, sources: int) -> None:
        self._sources = sources

    @unread
    def process(
        self, grouped: tuple[str, Iterable[Any]]
    ) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        name, found = grouped
        listed = found if self._sources else [found]
        yield name, [(n, path) for n, paths in enumerate(listed) for path in paths]


class _WithEarlier(beam.DoFn):  # type: ignore[misc]
    def __init__(self, sources: int) -> None:
        self._sources = sources

    @unread
    def process(
        self,
        named: tuple[str, list[tuple[int, str]]],
        kept: Any = _FOUND,
    ) -> Iterator[tuple[str, list[Any]]]:
        name, listed = named
        new: set[Any] = set(map(tuple, listed))
        earlier: set[Any] = set(map(tuple, kept.read()))
        for each in sorted(new - earlier):
            kept.add(each)
        found = sorted(earlier | new)
        several = [[p for n, p in found if n == k] for k in range(self._sources)]
        yield name, several or [path for _, path in found]


def with_number(
    planned: Iterable[tuple[JobId, Any]],
) -> Iterator[tuple[JobId, Any]]:
    """Adds to what was planned how many outcomes each job will have.

    Args:
        planned: What ``plan_jobs`` gives.
    """
    numbers: Counter[JobId] = Counter()
    for job, item in planned:
        several = not isinstance(item[0], str)
        numbers.update([task.job for task in item] if several else [job])
        yield job, item
    for job, number in numbers.items():
        yield job, (_PLANNED, number)


def in_one(
    planned: Iterable[tuple[JobId, Any]],
) -> Iterator[tuple[JobId, tuple[str, list[Any]]]]:
    """What was planned of late jobs, as one element for each, so that it stays together.

    Runners need not keep state for what is late; Prism does not.

    Args:
        planned: What ``plan_jobs`` gives.
    """
    whole: dict[JobId, list[Any]] = {}
    for job, item in planned:
        if isinstance(item[0], str):
            whole.setdefault(job, []).append(item)
            continue
        for task in item:
            whole.setdefault(task.job, []).append((task,))
    for job, items in whole.items():
        yield job, (WHOLE, items)


def by_job(outcomes: Any) -> Any:
    """The outcomes of each job, when all are there.

    Args:
        outcomes: PCollection of ``(job, outcome)``, with the numbers of them.

    Returns:
        PCollection of ``(job, list of outcomes)``.
    """
    return (
        outcomes
        | "Keyed by job" >> beam.Map(_by_mark).with_output_types(_KEYED)
        | "By job" >> beam.ParDo(_Gather())
    )


@unread
def _by_mark(outcome: tuple[JobId, Outcome]) -> tuple[str, tuple[JobId, Outcome]]:
    record = JobRecord(*outcome[0])
    return f"{record.mark} {record.token}", outcome


class _Gather(beam.DoFn):  # type: ignore[misc]
    @unread
    def process(
        self,
        keyed: tuple[str, tuple[JobId, Outcome]],
        kept: Any = _OUTCOMES,
    ) -> Iterator[tuple[JobId, list[Outcome]]]:
        _, (job, new) = keyed
        if new[0] == WHOLE:
            yield job, list(map(tuple, new[1]))
            return
        outcomes = [*map(tuple, kept.read()), new]
        numbers = [value for kind, value in outcomes if kind == _PLANNED]
        if numbers and len(outcomes) - len(numbers) >= numbers[0]:
            kept.clear()
            yield job, [each for each in outcomes if each[0] != _PLANNED]
        else:
            kept.add(new)
