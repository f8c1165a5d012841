"""The PTransform that runs the jobs of a run: plan, run and commit each phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from beam_scanner.engine.memory import release_memory
from beam_scanner.transforms.context import RunContext, close_contexts, run_context
from beam_scanner.transforms.stages import (
    Outcome,
    TaskId,
    commit_job,
    plan_job,
    run_one_task,
)

NAMESPACE = "beam_scanner"
"""Of all metrics."""


class RunGraph(beam.PTransform):  # type: ignore[misc]
    """Runs jobs of a run whose files are in storage.

    Takes a PCollection of job numbers, gives one of the jobs that were committed.

    Args:
        db: URL of the database.
        run: Name of the run.
        phases: How many phases its graph has.
    """

    def __init__(self, db: str, run: str, phases: int) -> None:
        super().__init__()
        self._db = db
        self._run = run
        self._phases = phases

    def expand(self, jobs: Any) -> Any:
        """Wires the stages of each phase one after the other."""
        # One job may take an hour and all may come in one bundle. No Reshuffle: Flink
        # leaves out one that follows another, and that of the tasks would be lost.
        jobs = (
            jobs
            | "Key jobs" >> beam.Map(lambda job: (job, None))
            | "Spread jobs" >> beam.GroupByKey()
            | "Spread" >> beam.Keys()
        )
        for phase in range(self._phases):
            jobs = jobs | f"Phase {phase}" >> _Phase(self._db, self._run, phase)
        return jobs


class _Phase(beam.PTransform):  # type: ignore[misc]
    def __init__(self, db: str, run: str, phase: int) -> None:
        super().__init__()
        self._place = (db, run, phase)

    def expand(self, jobs: Any) -> Any:
        planned = jobs | "Plan" >> beam.ParDo(_Plan(*self._place)).with_outputs(
            "tasks", main="plans"
        )
        done = (
            planned.tasks
            | "Spread tasks" >> beam.Reshuffle()
            | "Run" >> beam.ParDo(_Run(*self._place))
        )
        return (
            (planned.plans, done)
            | beam.Flatten()
            | "By job" >> beam.GroupByKey()
            | "Commit" >> beam.ParDo(_Commit(*self._place))
        )


class _Stage(beam.DoFn):  # type: ignore[misc]
    """What the stages have in common: the run, loaded once a process."""

    def __init__(self, db: str, run: str, phase: int) -> None:
        self._db = db
        self._run = run
        self._phase = phase

    # No property: Beam would ask for it before it runs anything.
    def context(self) -> RunContext:
        return run_context(self._db, self._run)


class _Plan(_Stage):
    def process(self, job: int) -> Iterator[Any]:
        for item in plan_job(self.context(), job, self._phase):
            if isinstance(item, TaskId):
                yield TaggedOutput("tasks", item.to_tuple())
            else:
                yield job, item


class _Run(_Stage):
    def process(self, task: tuple[Any, ...]) -> Iterator[tuple[int, Outcome]]:
        outcome, counters = run_one_task(self.context(), TaskId(*task))
        for name, value in counters.items():
            Metrics.counter(NAMESPACE, name).inc(value)
        release_memory()
        yield task[0], outcome

    def teardown(self) -> None:
        close_contexts(self._run)


class _Commit(_Stage):
    def process(self, element: tuple[int, Iterable[Outcome]]) -> Iterator[int]:
        job, outcomes = element
        if commit_job(self.context(), job, self._phase, list(outcomes)):
            yield job
