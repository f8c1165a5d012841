"""The steps in a pipeline that run one graph: it is bound, then each phase is run."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions

from beam_scanner.beam_internals.applied_steps import (
    current_hints,
    current_label,
    merge_hints,
    parse_hints,
    runner_of,
    set_hints,
    steps_that_make,
)
from beam_scanner.beam_internals.before_translation import CheckedBeforeTranslation
from beam_scanner.beam_internals.fork_check import check_fork
from beam_scanner.elements.records import Commit
from beam_scanner.errors import ArgumentError, GraphError
from beam_scanner.graph.nodes import topological
from beam_scanner.kernels.pickling import loads_graph
from beam_scanner.run.bind_streams import Bind, by_name, planned_together
from beam_scanner.run.check_packages import check_packages
from beam_scanner.run.gpu_stages import check_gpus, hints_of_phase
from beam_scanner.run.keep_failures import KeepFailures
from beam_scanner.run.options import ScannerOptions
from beam_scanner.run.pipeline_stages import FAILURES, EndRun, Phase, sink_tag, stage
from beam_scanner.run.program import Packed, Program
from beam_scanner.run.worker_run import Run
from beam_scanner.runners.dataflow import run_hints


class GraphSteps:
    """The steps of one graph.

    They can stand in the pipeline before the graph is complete: Beam gets the graph
    only when it pickles them.

    Args:
        pipeline: Where they are.
        program: Gives the graph.
        found: For each source the PCollection of ``(name, where it lies)``.
        failed: PCollections of ``Failure``: what could not be found.

    Attributes:
        hints: Resource hints of the run stage.
    """

    def __init__(
        self,
        pipeline: Any,
        program: Callable[[], Program],
        found: Sequence[Any],
        failed: Sequence[Any],
    ) -> None:
        self._pipeline = pipeline
        self.program = program
        self._failed = tuple(failed)
        self._phases: list[Phase] = []
        self._hints = parse_hints(run_hints(pipeline.options.view_as(ScannerOptions)))
        self._running: list[tuple[int, Any]] = []
        self._gpus: set[int] = set()
        self._kept: list[Any] = []
        self._failures: list[Any] = []
        self._packed: tuple[Any, Packed, Program] | None = None
        self._source = _Deferred(self)
        self._bound = by_name(found) | "Bind" >> stage(
            Bind, self._source, 0
        ).with_outputs(FAILURES, main="jobs")
        self._jobs = planned_together(self._bound.jobs)
        self._need_phase(0)

    def rows(self, phase: int, tag: str, kind: Any) -> Any:
        """Rows that leave, by the tag of their branch; the run stage gives them."""
        rows = self._need_phase(phase).rows[tag]
        rows.element_type = kind
        return rows

    def commits(self, phase: int, number: int) -> Any:
        """What a sink has committed."""
        commits = self._need_phase(phase).ended[sink_tag(number)]
        commits.element_type = Commit
        return commits

    def failures(self, phase: int) -> Any:
        """Streams that failed before the end of a phase."""
        return self._failures[phase]

    def with_run_stage(self, made: Any, phase: int) -> None:
        """Gives the step that makes a PCollection the hints of a phase's run stage.

        Beam fuses steps of equal hints alone.
        """
        self._running += [(phase, step) for step in steps_that_make(made)]
        self._set_hints()

    def add_hints(self, hints: Mapping[str, Any]) -> None:
        """Gives the whole run stage the hints of one of its ops.

        Another environment for the op alone would send frames from worker to worker.
        """
        # Those of composites of the user's own, and of the whole pipeline.
        outer = current_hints(self._pipeline)
        self._hints = merge_hints(self._hints, merge_hints(outer, hints))
        self._set_hints()

    def use_gpu(self, phase: int) -> None:
        """Keeps the accelerator for the phases that use a GPU."""
        self._gpus.add(phase)
        self._set_hints()

    def _set_hints(self) -> None:
        for phase, step in self._running:
            set_hints([step], hints_of_phase(self._hints, phase, self._gpus))

    def _need_phase(self, number: int) -> Phase:
        while len(self._phases) <= number:
            at = len(self._phases)
            phase = _CheckedPhase(self._source, at, self.packed)
            self._jobs = self._jobs | f"Phase {at}" >> phase
            self._phases.append(phase)
            self._running += [(at, step) for step in steps_that_make(phase.rows)]
            before = [] if at else [*self._failed, self._bound[FAILURES]]
            self._kept.append(
                [*before, *phase.failed]
                | f"Failed {at}" >> beam.Flatten()
                | f"Keep failures {at}" >> KeepFailures(self._source, at)
            )
            failures = self._kept | f"Failures {at}" >> beam.Flatten()
            self._failures.append(failures)
            if at:
                _ = self._jobs | f"End {at}" >> EndRun(self._source, at)
        return self._phases[number]

    def packed(self) -> Packed:
        """The graph as it stands, pickled; the same for all stages while it stands.

        Raises:
            GraphError: A transform is being applied, so the graph is not complete.
        """
        current = current_label(self._pipeline)
        if current:
            raise GraphError(
                f"the pipeline was pickled while {current!r} was being applied, when "
                "its graph of streams was not complete; translate or run a pipeline "
                "only between transforms"
            )
        # Beam is about to run it.
        check_fork()
        program = self.program()
        nodes = topological(program.outputs)
        check_packages(nodes, self._pipeline.options)
        decoder = program.settings.decoder
        check_gpus(nodes, self._pipeline.options, self._hints, decoder)
        state = (program.db, program.digests, tuple(map(id, program.whole_slots)))
        if self._packed is None or self._packed[0] != state:
            self._packed = (state, program.pack(), program)
        return self._packed[1]


class _CheckedPhase(Phase, CheckedBeforeTranslation):
    """A phase; what keeps its graph from being pickled is an error in its own words.

    Args:
        source: Where workers find the run.
        number: The phase.
        pack: Pickles the graph.
    """

    def __init__(self, source: Any, number: int, pack: Callable[[], Any]) -> None:
        super().__init__(source, number, {})
        self._pack = pack

    def check(self) -> None:
        """Pickles the graph, as translating the pipeline will."""
        self._pack()


class _Deferred:
    """Stands for a program; is pickled as the program that the graph then is.

    Args:
        steps: Of the graph.
        phase: The one whose kernels are needed, if any.
    """

    run = part = ""

    def __init__(self, steps: GraphSteps, phase: int | None = None) -> None:
        self._steps = steps
        self._phase = phase

    def of_phase(self, phase: int) -> _Deferred:
        """See ``RunSource``."""
        return _Deferred(self._steps, phase)

    def open(self) -> Run:
        """Opens the program as it stands."""
        return self._steps.program().open()

    def homes(self) -> list[str]:
        """Databases of the program as it stands."""
        return self._steps.program().homes()

    def __deepcopy__(self, memo: Any) -> _Deferred:
        # A copy would be of the graph as it stands, and not go on with it.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        packed = self._steps.packed()
        if self._phase is None or self._phase >= len(packed.phases):
            return loads_graph, (packed.without_kernels,)
        return loads_graph, (packed.phases[self._phase],)


_ELSEWHERE = (
    "DataflowRunner",
    "FlinkRunner",
    "KafkaStreamsRunner",
    "PortableRunner",
    "SparkRunner",
    "TestDataflowRunner",
)
"""Runners whose workers may not see this machine's temporary folder."""


def work_folder(pipeline: Any) -> str:
    """The folder in which a pipeline without a sink keeps its indexes."""
    temp = pipeline.options.view_as(GoogleCloudOptions).temp_location
    if temp:
        return f"{temp.rstrip('/')}/beam_scanner"
    runner = runner_of(pipeline)
    if runner in _ELSEWHERE:
        raise ArgumentError(
            f"a pipeline without a sink of beam_scanner needs --scanner_db on {runner}: "
            "a folder or URL that all workers reach, for the indexes of its videos"
        )
    folder = tempfile.mkdtemp(prefix="beam_scanner-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
