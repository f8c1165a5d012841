"""The stages that run a graph: plan, run and commit each phase."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from beam_scanner.beam_internals.pardo_attributes import par_do
from beam_scanner.beam_internals.several_outputs import SeveralOutputs
from beam_scanner.beam_internals.windowing import is_late, keep_late, may_be_late
from beam_scanner.elements.hints import unread
from beam_scanner.elements.records import NAMESPACE, Commit
from beam_scanner.engine.memory import release_memory
from beam_scanner.errors import Failure
from beam_scanner.measure.spans import Recorder, span
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.run.gpu_stages import hints_of_phase
from beam_scanner.run.job import Job, JobId
from beam_scanner.run.late_elements import WHOLE, by_job, in_one, with_number
from beam_scanner.run.plan_and_commit import commit_job, plan_jobs
from beam_scanner.run.tasks.attempt import this_worker
from beam_scanner.run.tasks.generator_result import WithResult
from beam_scanner.run.tasks.stage_elements import Outcome, TaskId, spans_of
from beam_scanner.run.tasks.supervisor import hosts_of, needs_host, retire_hosts
from beam_scanner.run.tasks.try_task import ROWS_FAILED, try_tasks
from beam_scanner.run.when_complete import when_complete
from beam_scanner.run.worker_run import Run, RunSource, close_runs, run_of
from beam_scanner.storage.streams.named import NamedStream

FAILURES = "failures"
"""Tag of the streams that failed."""

_log = logging.getLogger(__name__)


def sink_tag(number: int) -> str:
    """Tag of the commits of one sink."""
    return f"commits {number}"


class RunGraph(beam.PTransform):  # type: ignore[misc]
    """Runs jobs of a run.

    Takes a PCollection of the jobs' numbers; returns one of lists of those that were
    committed.

    Attributes:
        failed: PCollections of what failed.

    Args:
        source: Where workers find the run.
        phases: How many phases its graph has.
        resource_hints: Of the stage that runs tasks.
        gpus: The phases that need the accelerator of the hints; all if empty.
        at_once: How many jobs that follow one another are planned together.
    """

    def __init__(
        self,
        source: RunSource,
        phases: int,
        resource_hints: Mapping[str, Any] | None = None,
        gpus: Collection[int] = (),
        at_once: int = 1,
    ) -> None:
        super().__init__()
        self._source = source
        self._phases = phases
        self._gpus = set(gpus)
        self._at_once = at_once
        self._hints = dict(resource_hints or {})
        self.failed: list[Any] = []

    @unread
    def expand(self, jobs: Any) -> Any:
        """Wires the stages of each phase one after the other."""
        # One job may take an hour and all may come in one bundle. No Reshuffle: Flink
        # leaves out one that follows another, and that of the tasks would be lost.
        at_once = self._at_once
        jobs = (
            jobs
            | "Key jobs" >> beam.Map(lambda job: (job // at_once, job))
            | "Spread jobs" >> beam.GroupByKey()
            | "Spread" >> beam.Map(lambda keyed: sorted(keyed[1]))
        )
        for phase in range(self._phases):
            hints = hints_of_phase(self._hints, phase, self._gpus)
            made = Phase(self._source, phase, hints)
            jobs = jobs | f"Phase {phase}" >> made
            self.failed += made.failed
        return jobs


class Phase(beam.PTransform):  # type: ignore[misc]
    """One phase of jobs: takes lists of jobs, returns those that go on to the next phase.

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
        # see when_complete.
        plan = stage(_PlanLate if may_be_late(jobs) else _Plan, *self._place)
        planned = jobs | "Plan" >> plan
        tasks = keep_late(planned | "Spread tasks" >> beam.Reshuffle())
        self.rows = tasks | "Run" >> run.with_outputs(main="outcomes")
        outcomes = self.rows.outcomes
        ended = (
            by_job(outcomes)
            if may_be_late(jobs)
            else outcomes | "By job" >> beam.GroupByKey()
        )
        commit = stage(_Commit, *self._place).with_outputs(main="jobs")
        self.ended = ended | "Commit" >> commit
        self.failed = [self.ended[FAILURES], self.rows[ROWS_FAILED]]
        return self.ended.jobs


class EndRun(beam.PTransform):  # type: ignore[misc]
    """Removes the files of a run that no driver waits for, when all jobs have ended.

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
        return when_complete(jobs) | "Remove" >> stage(_EndRun, *self._place)


class Stage(SeveralOutputs):
    """Base of the stages: the run, loaded once in each process."""

    source: RunSource
    phase: int

    # No property: Beam would ask for it before it runs anything.
    def run(self) -> Run:
        """The run."""
        return run_of(self.source)


def stage(kind: type[Stage], source: RunSource, phase: int) -> Any:
    """A ParDo of a stage.

    The source grows as transforms are added: it is pickled with the whole pipeline.
    """
    return par_do(kind(), source=source, phase=phase)


_TO_RUN = "tasks"
"""Takes the position of an outcome's kind where what follows are tasks to run."""


class _Plan(Stage):
    @unread
    def process(self, jobs: Sequence[JobId]) -> Iterator[tuple[JobId, tuple[str, Any]]]:
        for job, item in plan_jobs(self.run(), jobs, self.phase):
            yield job, _sent(item)


class _PlanLate(_Plan):
    """Where outcomes may come in parts."""

    @unread
    def process(
        self, jobs: Sequence[JobId], pane: Any = beam.DoFn.PaneInfoParam
    ) -> Iterator[tuple[JobId, tuple[str, Any]]]:
        planned = plan_jobs(self.run(), jobs, self.phase)
        if is_late(pane):
            for job, (kind, items) in in_one(planned):
                yield job, (kind, [_sent(item) for item in items])
            return
        for job, item in with_number(planned):
            yield job, _sent(item)


def _sent(item: Any) -> tuple[str, Any]:
    """What was planned, as it goes to the run stage."""
    if isinstance(item[0], TaskId):
        return _TO_RUN, tuple(task.to_tuple() for task in item)
    return cast(tuple[str, Any], item)


class _Run(Stage):
    @unread
    def process(self, planned: tuple[JobId, tuple[str, Any]]) -> Iterator[Any]:
        job, (kind, items) = planned
        if kind != WHOLE:
            yield from self._ran(planned)
            return
        outcomes = []
        for item in items:
            for given in self._ran((job, item)):
                if isinstance(given, TaggedOutput):
                    yield given
                else:
                    outcomes.append(given[1])
        yield job, (WHOLE, outcomes)

    def _ran(self, planned: tuple[JobId, tuple[str, Any]]) -> Iterator[Any]:
        _, (kind, tasks) = planned
        if kind != _TO_RUN:
            yield planned
            return
        run = self.run()
        # Elsewhere than in the driver a task must not take the worker with it.
        hosts = hosts_of(self.source) if needs_host(run.settings) else None
        attempt = hosts.attempt if hosts is not None else None
        steps = WithResult(try_tasks(run, [TaskId(*task) for task in tasks], attempt))
        for tag, row in steps:
            yield TaggedOutput(tag, row)
        outcomes, counters = steps.result
        for name, value in counters.items():
            Metrics.counter(NAMESPACE, name).inc(value)
        release_memory()
        yield from outcomes

    def teardown(self) -> None:
        retire_hosts(self.source.run)
        close_runs(self.source.run)


class _EndRun(Stage):
    @unread
    def process(self, _: Any) -> None:
        run = self.run()
        if self.phase == run.settings.graph.phases - 1:
            run.files.remove()


class _Commit(Stage):
    @unread
    def process(self, element: tuple[JobId, Iterable[Outcome]]) -> Iterator[Any]:
        job_id, outcomes = element
        run = self.run()
        outcomes, recorder = list(outcomes), Recorder()
        with recorder.recording(), span("commit"):
            failures = commit_job(run, job_id, outcomes)
        if run.settings.detached:
            yield from self._report(run, run.job(job_id), failures)
        else:
            spans = [[this_worker(), *each] for each in recorder.spans]
            spans += [each for _, value in outcomes for each in spans_of(value)]
            run.files.put_result(job_id, self.phase, failures, spans)
        if not failures:
            yield [job_id]

    def _report(
        self, run: Run, job: Job, failures: list[Failure]
    ) -> Iterator[TaggedOutput]:
        """Reports to the rest of the pipeline, where no driver waits for results."""
        if failures:
            # All its tasks have ended, and no phase of it comes after this one.
            run.files.forget_failed(job.record.mark)
            yield from report_failures(failures)
            return
        for number, family in enumerate(job.families):
            if family.phase == self.phase:
                yield from _commits(job, number)
        phases = run.settings.graph.phases
        last = self.phase == phases - 1
        # Rows that leave may have to be made again, from streams of earlier phases:
        # those stay until the pipeline ends.
        kept = job.record.leaves and phases > 1
        if last and not job.cached and not kept:
            job.files.remove()


def _commits(job: Job, number: int) -> Iterator[TaggedOutput]:
    """The commits of one family, under the tags of their sinks."""
    family = job.families[number]
    # Not from the descriptors, which another run may have replaced since.
    noted = None if job.cached else job.files.published(number)
    notes = noted or [None] * len(family.outputs)
    for output, index, note in zip(family.outputs, family.numbers, notes, strict=True):
        stream = output.streams[0]
        if index != INTERNAL and isinstance(stream, NamedStream):
            if note is None:
                found = stream.descriptor()
                note = found.rows, found.fingerprint
            path = f"{stream.storage().db_path}/{stream.name()}"
            count_commit()
            yield TaggedOutput(sink_tag(index), Commit(stream.name(), path, *note))


def count_commit() -> None:
    """Counts a stream that a sink has stored, now or before, in the metrics."""
    Metrics.counter(NAMESPACE, "streams_committed").inc()


_LEVELS = {"skipped": logging.INFO}
"""Of what is logged of a failure, by its kind."""


def report_failures(failures: Iterable[Failure]) -> Iterator[TaggedOutput]:
    """Failures, under their tag, for steps that read it; logs and counts them."""
    for failure in failures:
        if failure.ended is None:
            failure = failure._replace(ended=time.time())
        _log.log(_LEVELS.get(failure.kind, logging.ERROR), "%s", failure)
        Metrics.counter(NAMESPACE, FAILURES).inc()
        yield TaggedOutput(FAILURES, failure)
