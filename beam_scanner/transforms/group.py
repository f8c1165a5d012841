"""Graphs of streams while a pipeline is built.

All transforms that follow one source, or the same joined sources, share one *group*,
which has one graph. So sampling reaches the decoder, and two branches of a source
decode it once.

In a ``VideoGraph`` the steps of a group are put into the pipeline when its graph
is complete. Outside of one nobody knows when that is: the steps stand in the pipeline
as soon as the source does, and what they are to do is settled when Beam pickles them.
Then every transform gives a ``Streams``, an ordinary PCollection of
``(FrameKey, value)`` which also knows its column of the graph. Transforms of this
package go on from the column; for any other transform the run stage gives the rows,
in a pipeline that is run of those branches alone that somebody reads.
"""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from apache_beam.pvalue import PCollection

from beam_scanner.beam_internals.applied_steps import (
    current_label,
    has_run,
    is_run_as_it_is,
    read_pcollections,
)
from beam_scanner.beam_internals.windowing import LeavingParDo, have_equal_windows
from beam_scanner.elements.hints import unread
from beam_scanner.errors import GraphError
from beam_scanner.graph.nodes import OpColumn, OutputNode, UnsliceNode
from beam_scanner.graph.validate import check_graph, check_node, facts
from beam_scanner.planner.phases import Splitter
from beam_scanner.run.gpu_stages import uses_gpu
from beam_scanner.run.options import (
    Limits,
    ScannerOptions,
    decoder_of,
    max_failures_of,
)
from beam_scanner.run.program import Program
from beam_scanner.run.shared_graph import internal_slots
from beam_scanner.run.stream_slots import BranchSlot, SinkSlot, SourceSlot
from beam_scanner.run.worker_run import process_token
from beam_scanner.runners.local.local_run import is_local
from beam_scanner.stores import open_store
from beam_scanner.text.cards import never_raises
from beam_scanner.transforms.graph_steps import GraphSteps, work_folder
from beam_scanner.transforms.places import check_places
from beam_scanner.transforms.row_hints import rows_hint, takes_none
from beam_scanner.transforms.sent_frames import warn_of_sent_frames

if TYPE_CHECKING:
    from beam_scanner.run.preview import Preview
    from beam_scanner.transforms.graph_build import GraphBuild


class Streams(PCollection):  # type: ignore[misc]
    """Rows of streams: a PCollection of ``(FrameKey, value)``.

    Transforms of this package see the streams behind it, in order and whole; any
    other transform sees elements, in no order. A frame is a uint8[height, width, 3]
    array, RGB, of which only a copy may be changed; other values have the type that
    their op declares.

    A null row has the value None. Where the graph says that there are some
    (RepeatNull, Montage, windows with null edges), the type hint has room for it. Where
    a kernel or a stored stream has them, say so, or such a row fails its stream:

        Track().with_output_types(tuple[FrameKey, int | None])
    """

    group: Group
    column: OpColumn

    @property
    def failures(self) -> Any:
        """PCollection of ``Failure``: streams whose rows are not all here."""
        return self.group.failures(self.column)

    def preview(
        self, rows: Sequence[int] | None = None, source: str | None = None
    ) -> Preview:
        """Computes some rows of one stream here and now, to look at them.

        Only these rows are computed, and what they need; the pipeline is not run, and
        nothing is stored.

        Args:
            rows: Row numbers, at most 200; None for some from all over the stream.
            source: Path of the video, or name of the stream, to look at; None for the
                first that the source finds. ``ReadAll...`` need it.

        Returns:
            Rows, times and values, which a notebook shows.

        Raises:
            JobFailure: A row could not be computed.
            ScannerException: No stream is found, or a row is not in it.
        """
        from beam_scanner.transforms.streams_preview import preview_streams

        return preview_streams(self.column, self.group.sources, rows, source)

    @never_raises
    def _repr_html_(self) -> str:
        from beam_scanner.transforms.streams_preview import streams_card

        return streams_card(self.column, self.group.sources)


# Interactive Beam knows PCollections by the name of their class, and finds them by it in
# its copies of a pipeline: of any other it shows nothing.
Streams.__name__ = PCollection.__name__


class Branch:
    """Streams inside a ``VideoGraph``.

    Transforms of this package can be applied to them, and composites made of those.

    Attributes:
        group: Whose graph they are in.
        column: Which of its columns.
        label: What errors call the transform that gives them.
        kind: Type hint of their rows.
    """

    def __init__(self, group: Group, column: OpColumn, label: str, kind: Any) -> None:
        self.group = group
        self.column = column
        self.label = label
        self.kind = kind

    @property
    def pipeline(self) -> Any:
        """The pipeline that the graph is for."""
        return self.group.pipeline

    def __or__(self, transform: Any) -> Any:
        assert self.group.build is not None
        return self.group.build.apply(transform, self)


class _Rows(LeavingParDo):
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
        build: The ``VideoGraph`` that it is part of, if it is.
    """

    def __init__(
        self,
        pipeline: Any,
        sources: Sequence[SourceSlot],
        found: Sequence[Any],
        failed: Sequence[Any],
        several: bool,
        build: GraphBuild | None = None,
    ) -> None:
        check_places(pipeline, *(slot.db for slot in sources if slot.db is not None))
        self.pipeline = pipeline
        self.sources = tuple(sources)
        self.found = tuple(found)
        self.failed = tuple(failed)
        self.several = several
        self.build = build
        self._run = uuid.uuid4().hex
        self._sinks: list[OutputNode] = []
        self._branches: list[tuple[Streams, OutputNode]] = []
        self._warned: set[str] = set()
        self._hints: list[Mapping[str, Any]] = []
        self._on_gpu: list[OpColumn] = []
        self._limits = Limits.of(pipeline.options)
        max_failures_of(pipeline.options)
        self._decoder = decoder_of(pipeline.options)
        self._folder = ""
        self._splitter = Splitter(internal_slots)
        self._steps: GraphSteps | None = None
        if build is None:
            self.add_steps()
        else:
            build.groups.append(self)

    def add_steps(self) -> None:
        """Puts the steps of the graph into the pipeline."""
        self._steps = GraphSteps(self.pipeline, self.compile, self.found, self.failed)
        for hints in self._hints:
            self._steps.add_hints(hints)
        for column in self._on_gpu:
            self._steps.use_gpu(self._phase_of(column))

    def extend(
        self, column: OpColumn, hints: Mapping[str, Any], declared: Any
    ) -> Streams | Branch:
        """Adds a column to the graph; to be called in ``expand`` of a transform.

        Args:
            column: Over columns of this group.
            hints: Resource hints of the transform, which the whole run stage gets.
            declared: Type of the elements, where the user has said it.

        Returns:
            The rows.
        """
        self._check_is_open()
        kind = rows_hint(column, declared)
        if uses_gpu(column.node, self._decoder):
            self._on_gpu.append(column)
        if self.build is not None:
            self.add_hints(hints)
            return Branch(self, column, self.build.label, kind)
        label = current_label(self.pipeline)
        tag = f"rows {len(self._branches)}"
        streams = self.leave(column, tag, "Rows", label, kind)
        self.add_hints(hints)
        if uses_gpu(column.node, self._decoder):
            assert self._steps is not None
            self._steps.use_gpu(self._phase_of(column))
        return streams

    def leave(
        self, column: OpColumn, tag: str, step: str, label: str, kind: Any
    ) -> Streams:
        """Rows of a column for the rest of the pipeline.

        Args:
            column: Of this group.
            tag: Identifies it among all that leave.
            step: Label of the step that gives the rows.
            label: What errors call it.
            kind: Type hint of the rows.
        """
        assert self._steps is not None
        output = _leaving(column, tag, label, takes_none(kind))
        phase = self._phase_of(column)
        rows = self._steps.rows(phase, tag, kind)
        to_rows = _Rows(self, column).with_output_types(kind)
        streams: Streams = rows | step >> to_rows
        self._branches.append((streams, output))
        self._steps.with_run_stage(streams, phase)
        return streams

    def sink(self, column: OpColumn, slot: SinkSlot, hints: Mapping[str, Any]) -> int:
        """Adds an output; gives its number, for ``commits``."""
        self._check_is_open()
        check_places(self.pipeline, slot.db)
        output = OutputNode(column, (slot,))
        check_node(output, None)
        check_graph([*self._sinks, output])
        self._sinks.append(output)
        self.add_hints(hints)
        return len(self._sinks) - 1

    def _check_is_open(self) -> None:
        if has_run(self.pipeline):
            raise GraphError(
                "the pipeline was run when its with block ended: what is applied now "
                "would never be computed; apply it in the block"
            )

    def commits(self, number: int) -> Any:
        """PCollection of what a sink has committed."""
        assert self._steps is not None
        return self._steps.commits(self._phase_of(self._sinks[number].input), number)

    def failures(self, column: OpColumn) -> Any:
        """Streams that failed before a column was complete."""
        assert self._steps is not None
        return self._steps.failures(self._phase_of(column))

    def _phase_of(self, column: OpColumn) -> int:
        return self._splitter.rewrite(column).phase

    def add_hints(self, hints: Mapping[str, Any]) -> None:
        """Gives the run stage resource hints."""
        if self._steps is None:
            self._hints.append(hints)
        else:
            self._steps.add_hints(hints)

    def compile(self) -> Program:
        """The graph as it stands."""
        outputs = [*self._sinks]
        used = None
        if is_run_as_it_is(self.pipeline):
            warn_of_sent_frames((each for each, _ in self._branches), self._warned)
        # A tool that translates the pipeline may read any PCollection in it.
        if self.build is None and is_run_as_it_is(self.pipeline):
            used = read_pcollections(self.pipeline)
        outputs += [
            output
            for streams, output in self._branches
            if used is None or streams in used
        ]
        most = max_failures_of(self.pipeline.options)
        # Where the runner is Beam's local one, tasks may be threads of this process.
        here = process_token() if is_local(self.pipeline.options) else ""
        return Program.of(
            self._db(),
            self._run,
            self.sources,
            outputs,
            self._limits,
            here,
            most,
            self._decoder,
        )

    def _db(self) -> str:
        options = self.pipeline.options
        if options.view_as(ScannerOptions).scanner_db:
            return str(options.view_as(ScannerOptions).scanner_db)
        if self._sinks:
            slot = self._sinks[0].streams[0]
            assert isinstance(slot, SinkSlot)
            return slot.db
        # Every stage is given the same folder.
        if not self._folder:
            # Refused where no database can lie.
            self._folder = open_store(work_folder(self.pipeline)).url
            check_places(self.pipeline, self._folder)
        return self._folder


def _leaving(column: OpColumn, tag: str, label: str, nulls: bool) -> OutputNode:
    """An output whose rows leave, also out of slices."""
    sliced = facts(column.node).level > 0
    slot = BranchSlot(tag, label, column.type, sliced, nulls)
    if sliced:
        node = check_node(UnsliceNode(column), None)
        return OutputNode(OpColumn(node, 0, column.type), (slot,))
    return OutputNode(column, (slot,))


_joined: weakref.WeakKeyDictionary[Any, dict[frozenset[int], Group]]
_joined = weakref.WeakKeyDictionary()
"""Groups that were joined, so that two joins of the same sources decode them once."""


def joined(groups: Sequence[Group]) -> Group:
    """The group that reads all sources of several groups.

    Args:
        groups: Of one pipeline, or of one ``VideoGraph``.

    Raises:
        GraphError: Their streams are in different windows.
    """
    sources = {
        slot: found
        for group in groups
        for slot, found in zip(group.sources, group.found, strict=True)
    }
    for group in groups:
        if len(group.sources) == len(sources):
            return group
    pipeline, build = groups[0].pipeline, groups[0].build
    known = _joined.setdefault(build or pipeline, {})
    key = frozenset(slot.number for slot in sources)
    if key not in known:
        ordered = sorted(sources, key=lambda slot: slot.number)
        found = [sources[slot] for slot in ordered]
        if not have_equal_windows(found):
            labels = " and ".join(slot.label for slot in ordered)
            raise GraphError(
                f"{labels} find their streams in different windows, and streams are "
                "joined with those of their window: put the paths of each into the same"
            )
        failed = {id(pc): pc for group in groups for pc in group.failed}
        several = all(group.several for group in groups)
        known[key] = Group(
            pipeline, ordered, found, list(failed.values()), several, build
        )
    return known[key]
