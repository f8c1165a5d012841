"""Elements that the stages of a run pass on: tasks from plan to run, outcomes to commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from beam_scanner.planner.bound import Interval
from beam_scanner.run.job import JobId


@dataclass(frozen=True)
class TaskId:
    """One task; it goes from the plan stage to the run stage as :meth:`to_tuple`.

    Attributes:
        job: Its job.
        family: Number of its family: the outputs that the same tasks make.
        task: Its own number.
        tasks: How many tasks the family has.
        intervals: For each output of the family the rows that the task makes.
    """

    job: JobId
    family: int
    task: int
    tasks: int
    intervals: tuple[Interval, ...]

    def to_tuple(self) -> tuple[Any, ...]:
        """Plain values, which every coder knows."""
        return (self.job, self.family, self.task, self.tasks, self.intervals)

    def __str__(self) -> str:
        return f"task {self.task + 1} of {self.tasks}"


Outcome = tuple[str, Any]
"""('done', (family, tasks)), where one of so many tasks has been done, or there are
none, and a third value has spans for the profile, if there are any; or ('failed', failure); or ('skipped', (family, tasks)), where the job has failed
or another run has ended it; or, of a whole job, ('skipped', None) or ('cached', None),
where its outputs are there already."""


def spans_of(value: Any) -> tuple[Any, ...]:
    """The spans in the value of an outcome, if it has any."""
    has_spans = isinstance(value, tuple) and len(value) > 2
    return tuple(value[2]) if has_spans else ()
