"""Sinks: streams of a database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from apache_beam import typehints
from apache_beam.pvalue import PCollection

from beam_scanner.beam_internals.windowing import LeavingParDo
from beam_scanner.elements.coders import value_hint
from beam_scanner.elements.hints import unread
from beam_scanner.elements.keys import FrameKey
from beam_scanner.elements.records import Written
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.run.sink_claims import STREAM, Claims, Sinks, sinks_of
from beam_scanner.run.stream_slots import SinkSlot
from beam_scanner.storage.stream_names import stream_key
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.transforms.elements_sink import WriteElements
from beam_scanner.transforms.graph_build import GraphSink
from beam_scanner.transforms.group import Branch, Streams
from beam_scanner.transforms.stream_transform import GraphTransform
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info
from beam_scanner.video.encoding import Encoding


class WriteToNamedStream(GraphTransform):
    """Stores streams in a database; each is committed whole or not at all.

    A stream that holds the same result already (same graph, arguments and input) is
    not made again; any other of that name is replaced when the new one is complete.
    Re-running an interrupted pipeline reuses the tasks that had finished.

    An ordinary PCollection of ``(FrameKey, value)`` can be written too: its elements
    are grouped by stream and ordered by row.

    Args:
        db: Folder or URL of the database.
        name: Of the streams; ``{stream}`` stands for the name of the source's.
        encoding: How frames are stored; lossy H.264 by default.
        type: Element type of an ordinary PCollection; ignored for streams, which
            know theirs.

    Raises:
        ArgumentError: The name has no ``{stream}`` where there may be several.
        GraphError: Another sink of the pipeline has the name.

    Examples:
        >>> WriteToNamedStream('/tmp/db', 'histograms/{stream}').label
        'WriteToNamedStream'
    """

    takes = "streams, or a PCollection of (FrameKey, value)"
    takes_lists = True
    _video = False
    _shown = ("db", "name", "encoding")

    def __init__(
        self,
        db: str,
        name: str = STREAM,
        encoding: Encoding | None = None,
        type: Any = None,
    ) -> None:
        super().__init__()
        self._db = NamedStorage(db).raw_store().url
        self._name = name
        self._encoding = encoding
        self._type = type
        stream_key(name.replace(STREAM, "stream") if isinstance(name, str) else name)

    def row_types(self) -> tuple[Sequence[Any] | None, Any]:
        """See the base class; what it gives are two PCollections, each with its type."""
        value = value_hint(get_type_info(FrameType)) if self._video else typehints.Any
        return (typehints.Tuple[FrameKey, value],), None

    @unread
    def expand(self, pcoll: Any) -> Any:
        """Adds the sink to the graph, or a stage that collects elements."""
        if not isinstance(pcoll, PCollection) or isinstance(pcoll, Streams):
            pcoll = self.streams(pcoll)
        sinks = sinks_of(pcoll.pipeline, self._db)
        sinks.check(self._name)
        claims = sinks.claims(self._name)
        if isinstance(pcoll, Branch):
            return self._in_graph(pcoll, sinks, claims)
        store = self._store if isinstance(pcoll, Streams) else self._collect
        written = store(pcoll, claims)
        # Only now, so that a sink that could not be applied may be applied again.
        sinks.add(claims, written.commits)
        return written

    def _in_graph(self, branch: Branch, sinks: Sinks, claims: Claims) -> Any:
        build = branch.group.build
        assert build is not None
        column, slot = self._output(branch, claims)
        number = branch.group.sink(column, slot, self.run_hints)
        add = partial(sinks.add, claims)
        return build.add_sink(GraphSink(branch.group, column, number, slot, add))

    def _collect(self, elements: Any, claims: Claims) -> Written:
        sink = WriteElements(
            self._db,
            self._name,
            video=self._video,
            encoding=self._encoding,
            type=self._type,
        )
        sink.claims = claims
        return Written(*(elements | sink))

    def _store(self, streams: Streams, claims: Claims) -> Written:
        column, slot = self._output(streams, claims)
        number = streams.group.sink(column, slot, self.run_hints)
        # The stages of the graph make these, and are no part of this transform: without
        # steps of its own, runners would take it for one that makes them a second time.
        return Written(
            _told("Commits", streams.group.commits(number)),
            _told("Failures", streams.group.failures(column)),
        )

    def _output(
        self, streams: Streams | Branch, claims: Claims
    ) -> tuple[OpColumn, SinkSlot]:
        column = streams.column
        if column.type is None and self._encoding is not None:
            column = column.encoded(self._encoding)
        elif self._encoding is not None or (self._video and column.type is not None):
            raise ElementTypeError(
                f"sink {self._name!r} takes frames, but {column.node.label} gives "
                f"{'frames' if column.type is None else column.type.name}; use "
                "WriteToNamedStream without an encoding"
            )
        if STREAM not in self._name and streams.group.several:
            raise ArgumentError(
                f"sink {self._name!r} would write all streams of the source under one "
                f"name: put {STREAM} into it"
            )
        return column, SinkSlot(claims, self._video)


def _told(label: str, made: Any) -> Any:
    return made | label >> LeavingParDo(_same).with_output_types(made.element_type)


@unread
def _same(element: Any) -> Any:
    yield element


class WriteToNamedVideo(WriteToNamedStream):
    """Stores streams of frames as video; see ``WriteToNamedStream``.

    Examples:
        >>> WriteToNamedVideo('/tmp/db', name='small/{stream}').label
        'WriteToNamedVideo'
    """

    _video = True
