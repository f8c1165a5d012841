"""Graphs of transforms while a pipeline is built.

All transforms that follow one source, or the same joined sources, share one *group*:
its stages stand in the pipeline as soon as the source does, and what they are to do
is settled when the pipeline is complete and Beam pickles them. So sampling reaches
the decoder, and two branches of a source decode it once.

Every transform gives a :class:`Streams`: an ordinary PCollection of
``(FrameKey, value)``, which also knows its column of the graph. Transforms of this
package go on from the column. For any other transform the run stage gives the rows,
of those branches alone that somebody reads.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam import typehints
from apache_beam.options.pipeline_options import GoogleCloudOptions, StandardOptions
from apache_beam.pvalue import PCollection
from apache_beam.typehints.typehints import is_consistent_with

from beam_scanner.beam_internals.applied_steps import (
    current_hints,
    current_label,
    read_pcollections,
    set_hints,
    steps_that_make,
)
from beam_scanner.beam_internals.resource_hints import merge_hints, parse_hints
from beam_scanner.elements.coders import value_hint
from beam_scanner.elements.hints import unread
from beam_scanner.elements.keys import FrameKey
from beam_scanner.elements.records import Commit
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import (
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    UnsliceNode,
)
from beam_scanner.graph.validate import check_graph, check_node, facts
from beam_scanner.kernels.pickling import loads_graph
from beam_scanner.planner.phases import Splitter
from beam_scanner.run.bind import Bind, by_name
from beam_scanner.run.keep_failures import KeepFailures
from beam_scanner.run.options import Limits, ScannerOptions
from beam_scanner.run.program import Packed, Program
from beam_scanner.run.run import Run, process_token
from beam_scanner.run.run_graph import FAILURES, EndRun, Phase, sink_tag, stage
from beam_scanner.run.shared_graph import internal_slots
from beam_scanner.run.slots import LeavingSlot, SinkSlot, SourceSlot
from beam_scanner.runners.dataflow import run_hints
from beam_scanner.runners.fork_check import check_fork
from beam_scanner.runners.local.local_run import is_local
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info


class Streams(PCollection):  # type: ignore[misc]
    """Rows of streams: a PCollection of ``(FrameKey, value)``.

    Transforms of this package see the streams behind it, in order and whole; any
    other transform sees elements, in no order. A frame is a uint8[height, width, 3]
    array, RGB, of which only a copy may be changed; other values have the type that
    their op declares.

    A null row has the value None. Where the graph says that there are some
    (RepeatNull, Montage, windows with null edges), the type hint has room for it. Where
    a kernel or a stored stream has them, say so, or such a row fails its stream::

        Track().with_output_types(tuple[FrameKey, int | None])
    """

    group: Group
    column: OpColumn

    @property
    def failures(self) -> Any:
        """PCollection of ``Failure``: streams whose rows are not all here."""
        return self.group.failures(self.group.phase_of(self.column))


class _Rows(beam.ParDo):  # type: ignore[misc]
    """Gives the rows of a branch to the transforms that follow it."""

    def __init__(self, group: Group, column: OpColumn) -> None:
        super().__init__(_same)
        self._made = (group, column)

    def expand(self, pcoll: Any) -> Streams:
        streams = Streams(pcoll.pipeline, is_bounded=pcoll.is_bounded)
        streams.group, streams.column = self._made
        return streams


@unread
def _same(element: Any) -> Any:
    yield element


class Group:
    """The graph over one source, or over several that were joined.

    Args:
        pipeline: Where it is built.
        sources: Its inputs.
        found: For each source the PCollection of ``(name, where it lies)``.
        failed: PCollections of ``Failure``: what could not be found.
        several: Whether there may be more than one stream.
    """

    def __init__(
        self,
        pipeline: Any,
        sources: Sequence[SourceSlot],
        found: Sequence[Any],
        failed: Sequence[Any],
        several: bool,
    ) -> None:
        self.sources = tuple(sources)
        self.found = tuple(found)
        self.failed = tuple(failed)
        self.several = several
        self._pipeline = pipeline
        self._run = uuid.uuid4().hex
        self._sinks: list[OutputNode] = []
        self._branches: list[tuple[Streams, OutputNode]] = []
        self._phases: list[Phase] = []
        self._limits = Limits.of(pipeline.options)
        self._hints = parse_hints(run_hints(pipeline.options.view_as(ScannerOptions)))
        self._steps: list[Any] = []
        self._kept: list[Any] = []
        self._failures: list[Any] = []
        self._folder = ""
        self._splitter = Splitter(internal_slots)
        self._packed: tuple[Any, Packed, Program] | None = None
        self._source = _Deferred(self)
        self._bound = by_name(found) | "Bind" >> stage(
            Bind, self._source, 0
        ).with_outputs(FAILURES, main="jobs")
        self._jobs = self._bound.jobs
        self._need_phase(0)

    def extend(
        self, column: OpColumn, hints: Mapping[str, Any], declared: Any
    ) -> Streams:
        """Adds a column to the graph; to be called in ``expand`` of a transform.

        Args:
            column: Over columns of this group.
            hints: Resource hints of the transform, which the whole run stage gets.
            declared: Type of the elements, where the user has said it.

        Returns:
            The rows.
        """
        tag = f"rows {len(self._branches)}"
        kind = declared or typehints.Tuple[FrameKey, _hint(column)]
        nulls = _takes_none(kind)
        # What is made of these rows may be null too.
        _nulls.setdefault(column.node, {})[column.index] = nulls
        label = current_label(self._pipeline)
        output = _leaving(column, tag, label, nulls)
        phase = self._need_phase(self.phase_of(column))
        rows = phase.rows[tag]
        rows.element_type = kind
        to_rows = _Rows(self, column).with_output_types(kind)
        streams: Streams = rows | "Rows" >> to_rows
        self._branches.append((streams, output))
        self._steps += steps_that_make(streams)
        self._add_hints(hints)
        return streams

    def sink(self, column: OpColumn, slot: SinkSlot, hints: Mapping[str, Any]) -> Any:
        """Adds an output; gives the PCollection of its commits."""
        output = OutputNode(column, (slot,))
        check_node(output, None)
        check_graph([*self._sinks, output])
        self._sinks.append(output)
        self._add_hints(hints)
        phase = self._need_phase(self.phase_of(column))
        commits = phase.ended[sink_tag(len(self._sinks) - 1)]
        commits.element_type = Commit
        return commits

    def failures(self, phase: int) -> Any:
        """Streams that failed before the end of a phase."""
        return self._failures[phase]

    def phase_of(self, column: OpColumn) -> int:
        """The phase that makes a column."""
        return self._splitter.rewrite(column).phase

    def _need_phase(self, number: int) -> Phase:
        while len(self._phases) <= number:
            at = len(self._phases)
            phase = Phase(self._source, at, {})
            self._jobs = self._jobs | f"Phase {at}" >> phase
            self._phases.append(phase)
            self._steps += steps_that_make(phase.rows)
            before = [] if at else [*self.failed, self._bound[FAILURES]]
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

    def _add_hints(self, hints: Mapping[str, Any]) -> None:
        """Gives the whole run stage the hints of one of its ops.

        Another environment for the op alone would send frames from worker to worker.
        """
        # Those of composites of the user's own, and of the whole pipeline.
        outer = current_hints(self._pipeline)
        self._hints = merge_hints(self._hints, merge_hints(outer, hints))
        set_hints(self._steps, self._hints)

    def compile(self) -> Program:
        """The graph as it stands."""
        used = read_pcollections(self._pipeline)
        outputs = [*self._sinks]
        outputs += [output for streams, output in self._branches if streams in used]
        most = self._pipeline.options.view_as(ScannerOptions).max_failures
        # Where the runner is Beam's local one, tasks may be threads of this process.
        here = process_token() if is_local(self._pipeline.options) else ""
        return Program.of(
            self._db(), self._run, self.sources, outputs, self._limits, here, most
        )

    def packed(self) -> Packed:
        """The graph as it stands, pickled; the same for all stages while it stands."""
        # Beam is about to run it.
        check_fork()
        program = self.compile()
        told = (program.db, program.digests, tuple(map(id, program.whole_slots)))
        if self._packed is None or self._packed[0] != told:
            self._packed = (told, program.pack(), program)
        return self._packed[1]

    def _db(self) -> str:
        options = self._pipeline.options
        if options.view_as(ScannerOptions).scanner_db:
            return str(options.view_as(ScannerOptions).scanner_db)
        if self._sinks:
            slot = self._sinks[0].streams[0]
            assert isinstance(slot, SinkSlot)
            return slot.db
        # Every stage is told the same folder.
        self._folder = self._folder or work_folder(options)
        return self._folder


def _leaving(
    column: OpColumn, tag: str = "", label: str = "", nulls: bool = False
) -> OutputNode:
    """An output whose rows leave, also out of slices."""
    sliced = facts(column.node).level > 0
    slot = LeavingSlot(tag, label, column.type, sliced, nulls)
    if sliced:
        node = check_node(UnsliceNode(column), None)
        return OutputNode(OpColumn(node, 0, column.type), (slot,))
    return OutputNode(column, (slot,))


_nulls: weakref.WeakKeyDictionary[Node, dict[int, bool]]
_nulls = weakref.WeakKeyDictionary()
"""For each output of a node whether its rows may be null, as far as is known."""


def _takes_none(kind: Any) -> bool:
    """Whether a type of elements has room for None as their value."""
    return bool(is_consistent_with(typehints.Tuple[FrameKey, None], kind))


def _hint(column: OpColumn) -> Any:
    """Type hint of the values of a column."""
    kind = column.type or get_type_info(FrameType)
    return value_hint(kind, nullable=_may_be_null(column))


def _may_be_null(column: OpColumn) -> bool:
    known = _nulls.setdefault(column.node, {})
    if column.index not in known:
        known[column.index] = _makes_nulls(column.node)
    return known[column.index]


def _makes_nulls(node: Node) -> bool:
    if isinstance(node, SampleNode) and node.op == "RepeatNull":
        return True
    if isinstance(node, OpNode):
        if node.on_error == "null" or getattr(node.spec.kernel, "gives_nulls", False):
            return True
        if node.spec.takes_nulls:
            return False
        if node.stencil is not None and node.stencil_edge == "null":
            return True
    return any(map(_may_be_null, node.inputs))


_HERE = ("", "DirectRunner", "FnApiRunner", "PrismRunner", "InteractiveRunner")
"""Runners whose workers see this machine's temporary folder."""


def work_folder(options: Any) -> str:
    """Where a pipeline without a sink keeps its indexes."""
    temp = options.view_as(GoogleCloudOptions).temp_location
    if temp:
        return f"{temp.rstrip('/')}/beam_scanner"
    runner = str(options.view_as(StandardOptions).runner or "").rsplit(".", 1)[-1]
    if runner not in _HERE:
        raise ArgumentError(
            f"a pipeline without a sink of beam_scanner needs --scanner_db on {runner}: "
            "a folder or URL that all workers reach, for the indexes of its videos"
        )
    folder = tempfile.mkdtemp(prefix="beam_scanner-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class _Deferred:
    """Stands for a program; is pickled as the program that the group then is.

    Args:
        group: Makes the program.
        phase: The one whose kernels are needed, if any.
    """

    run = part = ""

    def __init__(self, group: Group, phase: int | None = None) -> None:
        self._group = group
        self._phase = phase

    def of_phase(self, phase: int) -> _Deferred:
        """See ``RunSource``."""
        return _Deferred(self._group, phase)

    def open(self) -> Run:
        """Opens the program as it stands."""
        return self._group.compile().open()

    def homes(self) -> list[str]:
        """Databases of the program as it stands."""
        return self._group.compile().homes()

    def __reduce__(self) -> tuple[Any, ...]:
        packed = self._group.packed()
        if self._phase is None or self._phase >= len(packed.phases):
            return loads_graph, (packed.without_kernels,)
        return loads_graph, (packed.phases[self._phase],)
