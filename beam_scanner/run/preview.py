"""Some rows of a column, computed to be looked at: these rows and what they need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Any

import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, JobFailure, Tally
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceNode,
    UnsliceNode,
    topological,
)
from beam_scanner.graph.validate import facts
from beam_scanner.notebook.overlays import is_seen
from beam_scanner.notebook.plots import plot, series_of
from beam_scanner.notebook.thumbnails import Shot, caption, spread, strip
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.rows.row_numbers import row_numbers
from beam_scanner.rows.samplers import Gather
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.explain import explain
from beam_scanner.run.ingest import ingest_streams
from beam_scanner.run.launch import execute
from beam_scanner.run.prepare import Prepared, prepare
from beam_scanner.runners.local.local_run import is_local, pipeline_options
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.text.cards import card, never_raises, note, table, value_text
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.frame_list import FrameList

SHOWN = 8
"""Rows of a preview, where none are given."""

MOST = 200
"""Rows of a preview: they are all in memory."""

_FIRST = "preview"


@dataclass(frozen=True, repr=False, eq=False)
class Preview:
    """Rows of a column.

    Attributes:
        title: The op and the stream.
        rows: Numbers of the rows in the column.
        length: How many the column has.
        seconds: float64[n], their times; nan where unknown.
        values: Frames as a ``FrameList``, other values as a list.
        on: Frames over which the values are drawn; None for none.
    """

    title: str
    rows: list[int]
    length: int
    seconds: NDArray[np.float64]
    values: list[Any]
    on: FrameList | None = None

    def __repr__(self) -> str:
        return f"<preview of {self.title}: {len(self.rows)} of {self.length} rows>"

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, place: int) -> Any:
        return self.values[place]

    @never_raises
    def _repr_html_(self) -> str:
        few = note(f"{len(self.rows)} of {self.length:,} rows")
        return card(self.title, {}, *self._parts(), few)

    def _parts(self) -> Iterator[str]:
        shots: list[Shot] = []
        if isinstance(self.values, FrameList) and self.on is None:
            shots = self._shots(self.values, [None] * len(self.values))
        elif self.on is not None:
            shots = self._shots(self.on, self.values)
        series = {} if isinstance(self.values, FrameList) else series_of(self.values)
        ascend = len(self.rows) > 1 and bool((np.diff(self.seconds) > 0).all())
        linked: dict[int, Shot] = {}
        if len(shots) <= SHOWN and not any(map(is_seen, self.values)):
            linked = dict(enumerate(shots))
        if series and ascend:
            yield plot(self.seconds, series, linked)
        if shots and not (series and ascend and linked):
            yield strip(shots)
        if not isinstance(self.values, FrameList):
            listed = zip(self.rows, map(value_text, self.values), strict=True)
            yield table(["row", "value"], list(listed)[:SHOWN])

    def _shots(self, frames: Sequence[Any], found: Sequence[Any]) -> list[Shot]:
        said = starmap(caption, zip(self.rows, self.seconds.tolist(), strict=True))
        return list(map(Shot, frames, said, found))


def preview(
    column: OpColumn,
    rows: Sequence[int] | None,
    stream: int,
    on: OpColumn | None,
    storage: NamedStorage,
    options: PipelineOptions,
) -> Preview:
    """Computes some rows of a column; of results, nothing is stored.

    Args:
        column: What to compute.
        rows: Row numbers in any order; None for some from all over the column.
        stream: Number of the stream among those of the graph's inputs.
        on: Frames to draw over, which have the same rows.
        storage: The database, in which videos are indexed that are not yet.
        options: Where runs are; a preview is of this machine, wherever they are.

    Raises:
        JobFailure: A row could not be computed.
        ScannerException: The graph, an argument or an input is wrong.
    """
    wanted = [column] if on is None else [column, on]
    if on is not None and on.type is not None:
        raise ArgumentError(f"on={on!r} must be a column of frames")
    jobs = max(facts(each.node).jobs or 1 for each in wanted)
    if not 0 <= stream < jobs:
        raise ArgumentError(f"there is no stream {stream}: the graph is for {jobs}")
    return compute(columns_of_stream(wanted, stream), rows, storage, options)


def compute(
    chosen: Sequence[OpColumn],
    rows: Sequence[int] | None,
    storage: NamedStorage,
    options: PipelineOptions,
) -> Preview:
    """Computes some rows of a column in a graph for one stream.

    Args:
        chosen: What to compute, and frames to draw over, if there are any.
        rows: See :func:`preview`, as for the others.
        storage: See there.
        options: See there.

    Raises:
        ScannerException: See there.
    """
    nodes = topological([each.node for each in chosen])
    inputs = [s for node in nodes if isinstance(node, InputNode) for s in node.streams]
    # A temporary folder is out of reach of workers elsewhere.
    here = options if is_local(options) else pipeline_options(None)
    ingest_streams(inputs, storage, here)
    # Rows of others' databases may come through as they are.
    trusted = storage.trusted and all(each.storage().trusted for each in inputs)
    with tempfile.TemporaryDirectory(prefix="preview-") as folder:
        scratch = NamedStorage(folder, trusted)
        length = _length(chosen, scratch)
        numbers = spread(length, SHOWN)
        label = chosen[0].node.label
        if rows is not None:
            numbers = row_numbers(rows, length, label).tolist()
        if len(numbers) > MOST:
            raise ArgumentError(
                f"a preview is of at most {MOST} rows, got {len(numbers)}: run the graph"
            )
        title = f"{label} of {inputs[0].name()}"
        if not numbers:
            return Preview(title, [], length, np.zeros(0), [])
        gathered = [_gathered(each, numbers) for each in chosen]
        return _computed(gathered, numbers, length, title, scratch, here)


def _computed(
    columns: Sequence[OpColumn],
    rows: list[int],
    length: int,
    title: str,
    scratch: NamedStorage,
    options: PipelineOptions,
) -> Preview:
    outputs = _outputs(columns, scratch)
    report = execute(_prepared(outputs, scratch), scratch, options, False)
    if report.failures:
        raise JobFailure(report.failures, tally=Tally())
    found: list[Any] = []
    seconds = np.zeros(0)
    for column, output in zip(columns, outputs, strict=True):
        [stream] = output.streams
        with stream.reader() as reader:
            seconds = reader.seconds(np.arange(len(rows)))
        values: list[Any] = list(stream.load())
        if column.type is None:
            values = FrameList(values, rows, seconds, title)
        found.append(values)
    return Preview(title, rows, length, seconds, *found)


def columns_of_stream(
    columns: Sequence[OpColumn],
    number: int,
    instead: Mapping[StoredStream, StoredStream] | None = None,
) -> list[OpColumn]:
    """The same columns in a graph for one of its streams, and out of slices.

    Args:
        columns: Of one graph.
        number: Which of its streams.
        instead: Streams to take in the place of others.
    """
    others = instead or {}
    made: dict[int, Node] = {}

    def own(column: OpColumn) -> OpColumn:
        return replace(column, node=made[id(column.node)])

    def one(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return (values[number if len(values) > 1 else 0],)

    for node in topological([column.node for column in columns]):
        new: Node = node
        if isinstance(node, InputNode):
            [given] = one(node.streams)
            new = replace(node, streams=(others.get(given, given),))
        elif isinstance(node, SampleNode):
            new = replace(node, input=own(node.input), samplers=one(node.samplers))
        elif isinstance(node, SliceNode):
            new = replace(node, input=own(node.input), partitions=one(node.partitions))
        elif isinstance(node, UnsliceNode):
            new = UnsliceNode(own(node.input))
        elif isinstance(node, OpNode):
            arguments = {name: one(each) for name, each in node.stream_args.items()}
            inputs = tuple(map(own, node.columns))
            new = replace(node, columns=inputs, stream_args=arguments)
        made[id(node)] = new
    found = [own(column) for column in columns]
    return [
        OpColumn(UnsliceNode(each), 0, each.type) if facts(each.node).level else each
        for each in found
    ]


def _outputs(columns: Sequence[OpColumn], scratch: NamedStorage) -> list[OutputNode]:
    """Outputs that keep every value as it is."""
    return [
        OutputNode(
            each if each.type is not None else each.encoded(Encoding("lossless")),
            (NamedStream(scratch, _FIRST if number == 0 else "on"),),
        )
        for number, each in enumerate(columns)
    ]


def _prepared(outputs: Sequence[OutputNode], scratch: NamedStorage) -> Prepared:
    prepared = prepare(outputs, PerfParams.estimate(), CacheMode.Overwrite, scratch)
    if prepared.failures:
        raise JobFailure(list(prepared.failures.values()), tally=Tally())
    return prepared


def _length(columns: Sequence[OpColumn], scratch: NamedStorage) -> int:
    """How many rows the columns have, which is known before anything is computed."""
    prepared = _prepared(_outputs(columns, scratch), scratch)
    [job] = explain(prepared).jobs
    nodes = [node for family in job.families for node in family.nodes]
    [length] = [n.rows for n in nodes if (n.kind, n.label) == ("output", _FIRST)]
    return length


def _gathered(column: OpColumn, rows: Sequence[int]) -> OpColumn:
    node = SampleNode(column, "Gather", (Gather(tuple(rows)),))
    return OpColumn(node, 0, column.type)
