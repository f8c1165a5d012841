"""The stages that run a graph: plan, run and commit each phase."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from beam_scanner.elements.hints import unread
from beam_scanner.elements.records import NAMESPACE, Commit
from beam_scanner.engine.memory import release_memory
from beam_scanner.errors import Failure
from beam_scanner.graph.nodes import OutputNode
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.run.complete import when_complete
from beam_scanner.run.context import (
    JobId,
    JobState,
    RunContext,
    RunSource,
    close_contexts,
    run_context,
)
from beam_scanner.run.hosted import hosts_of, needs_host, retire_hosts
from beam_scanner.run.run_task import ROWS_FAILED, run_one_task
from beam_scanner.run.stages import commit_job, plan_job
from beam_scanner.run.task_id import Outcome, TaskId
from beam_scanner.storage.streams.named import NamedStream

FAILURES = "failures"
"""Tag of the streams that failed."""

_log = logging.getLogger(__name__)


def sink_tag(number: int) -> str:
    """Tag of the commits of one sink."""
    return f"commits {number}"


class RunGraph(beam.PTransform):  # type: ignore[misc]
    """Runs jobs of a run.

    Takes a PCollection of jobs, gives one of the jobs that were committed.

    Attributes:
        failed: PCollections of what failed.

    Args:
        source: Where workers find the run.
        phases: How many phases its graph has.
        resource_hints: Of the stage that runs tasks.
    """

    def __init__(
        self,
        source: RunSource,
        phases: int,
        resource_hints: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._source = source
        self._phases = phases
        self._hints = dict(resource_hints or {})
        self.failed: list[Any] = []

    @unread
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
            made = Phase(self._source, phase, self._hints)
            jobs = jobs | f"Phase {phase}" >> made
            self.failed += made.failed
        return jobs


class Phase(beam.PTransform):  # type: ignore[misc]
    """One phase of jobs: takes jobs, gives those that may go on.

    Args:
        source: Where workers find the run.
        number: The phase.
        hints: Resource hints of the stage that runs tasks.

    Attributes:
        rows: Outputs of the run stage: rows that leave, by the tag of their branch.
        ended: Outputs of the commit stage: commits by the tag of their sink, and
            failures.
        failed: PCollections of what failed: of streams, and of rows.
    """

    def __init__(
        self, source: RunSource, number: int, hints: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self._place = (source, number)
        self._running = (source.of_phase(number), number)
        self._hints = dict(hints)
        self.rows: Any = None
        self.ended: Any = None
        self.failed: list[Any] = []

    @unread
    def expand(self, jobs: Any) -> Any:
        """Wires the stages."""
        run = stage(_Run, *self._running)
        if self._hints:
            run = run.with_resource_hints(**self._hints)
        # What is known without a task goes by way of the run stage too, not a Flatten:
        # when a worker dies, Flink 1.19 may never end a step that reads one, and gives
        # up the whole TaskManager after three minutes.
        tasks = (
            jobs
            | "Plan" >> stage(_Plan, *self._place)
            | "Spread tasks" >> beam.Reshuffle()
        )
        self.rows = tasks | "Run" >> run.with_outputs(main="outcomes")
        self.ended = (
            self.rows.outcomes
            | "By job" >> beam.GroupByKey()
            | "Commit" >> stage(_Commit, *self._place).with_outputs(main="jobs")
        )
        self.failed = [self.ended[FAILURES], self.rows[ROWS_FAILED]]
        return self.ended.jobs


class EndRun(beam.PTransform):  # type: ignore[misc]
    """Removes the files of a run that no driver waits for, when all jobs have ended.

    Args:
        source: Where workers find the run.
    """

    def __init__(self, source: RunSource) -> None:
        super().__init__()
        self._source = source

    @unread
    def expand(self, committed: Any) -> Any:
        """Waits for the last phase, also where it commits nothing."""
        return when_complete(committed) | "Remove" >> stage(_End, self._source, 0)


class EndWork(beam.PTransform):  # type: ignore[misc]
    """Removes what a pipeline has kept to make rows that leave, when all have left.

    Args:
        source: Where workers find the run.
        phase: After which phase; only the last one of the graph counts.
    """

    def __init__(self, source: RunSource, phase: int) -> None:
        super().__init__()
        self._place = (source, phase)

    @unread
    def expand(self, jobs: Any) -> Any:
        """Waits for the jobs, also where there are none."""
        # A side input, not a Flatten: see Phase.
        ended = (
            jobs
            | "All" >> beam.Map(lambda _: (None, None))
            | "Wait" >> beam.GroupByKey()
            | "Ended" >> beam.Map(lambda _: None)
        )
        end = beam.ParDo(_EndWork(), beam.pvalue.AsList(ended))
        end.fn.source, end.fn.phase = self._place
        return jobs.pipeline | "Once" >> beam.Create([None]) | "Remove" >> end


class Stage(beam.DoFn):  # type: ignore[misc]
    """What the stages have in common: the run, loaded once a process."""

    source: RunSource
    phase: int

    # No property: Beam would ask for it before it runs anything.
    def context(self) -> RunContext:
        """The run."""
        return run_context(self.source)


def stage(kind: type[Stage], source: RunSource, phase: int) -> Any:
    """A ParDo of a stage.

    Beam pickles a DoFn once to try it, and keeps the copy. The source, which grows
    as transforms are added, must not be copied before the pipeline is complete.
    """
    transform = beam.ParDo(kind())
    transform.fn.source = source
    transform.fn.phase = phase
    return transform


_TO_RUN = "task"
"""In place of the kind of an outcome, what goes with it being a task."""


class _Plan(Stage):
    @unread
    def process(self, job: JobId) -> Iterator[tuple[JobId, tuple[str, Any]]]:
        for item in plan_job(self.context(), job, self.phase):
            yield job, (_TO_RUN, item.to_tuple()) if isinstance(item, TaskId) else item


class _Run(Stage):
    @unread
    def process(self, planned: tuple[JobId, tuple[str, Any]]) -> Iterator[Any]:
        job, (kind, task) = planned
        if kind != _TO_RUN:
            yield planned
            return
        context = self.context()
        # Elsewhere than in the driver a task must not take the worker with it.
        hosts = hosts_of(self.source) if needs_host(context.settings) else None
        attempt = hosts.attempt if hosts is not None else None
        steps = run_one_task(context, TaskId(*task), attempt)
        while True:
            try:
                tag, row = next(steps)
            except StopIteration as end:
                outcome, counters = end.value
                break
            yield TaggedOutput(tag, row)
        for name, value in counters.items():
            Metrics.counter(NAMESPACE, name).inc(value)
        release_memory()
        yield job, outcome

    def teardown(self) -> None:
        retire_hosts(self.source.run)
        close_contexts(self.source.run)


class _End(Stage):
    @unread
    def process(self, _: Any) -> None:
        self.context().files.remove()


class _EndWork(Stage):
    @unread
    def process(self, _: Any, ended: Any) -> None:
        context = self.context()
        if self.phase == context.settings.graph.phases - 1:
            context.files.remove()


class _Commit(Stage):
    @unread
    def process(self, element: tuple[JobId, Iterable[Outcome]]) -> Iterator[Any]:
        job, found = element
        outcomes = list(found)
        context = self.context()
        failures = commit_job(context, job, self.phase, outcomes)
        if context.settings.detached:
            if failures:
                # All its tasks have ended, and no phase of it comes after this one.
                context.files.forget_failed(context.job(job).record.mark)
            yield from self._report(context, job, failures)
        else:
            context.files.put_result(job, self.phase, failures)
        if not failures:
            yield job

    def _report(
        self, context: RunContext, job: JobId, failures: list[Failure]
    ) -> Iterator[TaggedOutput]:
        """Tells the rest of the pipeline, where no driver waits for results."""
        yield from report_failures(failures)
        if failures:
            return
        state = context.job(job)
        told = self._told(state)
        for output, number in self._outputs(state):
            yield from _commits(output, number, told.get(number))
        phases = context.settings.graph.phases
        last = self.phase == phases - 1
        # Rows that leave may have to be made again, from streams of earlier phases:
        # those stay until the pipeline ends.
        kept = state.record.leaves and phases > 1
        if last and not state.cached and not kept:
            state.files.remove()

    def _told(self, state: JobState) -> dict[int, Any]:
        """What was noted of outputs as they were published, by number."""
        found: dict[int, Any] = {}
        for place, family in enumerate(state.families):
            if family.phase == self.phase and not state.cached:
                noted = state.files.published(place) or []
                found.update(zip(family.numbers, noted, strict=False))
        return found

    def _outputs(self, state: JobState) -> Iterator[tuple[OutputNode, int]]:
        for family in state.families:
            if family.phase == self.phase:
                for output, number in zip(family.outputs, family.numbers, strict=True):
                    if number != INTERNAL:
                        yield output, number


def _commits(
    output: OutputNode, number: int, told: tuple[int, str] | None
) -> Iterator[Any]:
    """``told``: rows and fingerprint; None where another run has told of them."""
    stream = output.streams[0]
    if isinstance(stream, NamedStream):
        if told is None:
            found = stream.descriptor()
            told = found.rows, found.fingerprint
        db = stream.storage().db_path
        count_commit()
        yield TaggedOutput(
            sink_tag(number), Commit(stream.name(), f"{db}/{stream.name()}", *told)
        )


def count_commit() -> None:
    """Tells the metrics of a stream that a sink has, or had already."""
    Metrics.counter(NAMESPACE, "streams_committed").inc()


_LEVELS = {"skipped": logging.INFO}
"""Of what is logged of a failure, by its kind."""


def report_failures(failures: Iterable[Failure]) -> Iterator[TaggedOutput]:
    """Failures for whoever wants them; the log and the metrics have them anyway."""
    for failure in failures:
        if failure.ended is None:
            failure = replace(failure, ended=time.time())
        _log.log(_LEVELS.get(failure.kind, logging.ERROR), "%s", failure)
        Metrics.counter(NAMESPACE, FAILURES).inc()
        yield TaggedOutput(FAILURES, failure)
