"""Binds the graph of one job to the lengths of its streams, and checks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beam_scanner.errors import ElementTypeError, GraphError
from beam_scanner.graph.nodes import InputNode, Node, OpNode, topological
from beam_scanner.planner.bound import BoundGraph, SourceInfo, bind
from beam_scanner.planner.phases import INTERNAL, Family
from beam_scanner.run.stream_slots import Slot
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.storage.trust import check_no_pickle, check_plain
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info


def bind_families(
    families: Sequence[Family],
    decoder: str = "cpu",
    open_input: Callable[[StoredStream], RowReader] | None = None,
) -> list[BoundGraph]:
    """Binds one job's graph of each family, opening its streams for their lengths.

    Streams between phases need not exist: their lengths follow from the graph.

    Args:
        families: All families of the job, by phase.
        decoder: Where its videos are to be decoded.
        open_input: Opens a stream; None for the stream's own ``reader``.

    Raises:
        ScannerException: As ``bind``.
        VideoError: A video cannot be decoded there.
    """
    made: dict[int, SourceInfo] = {}
    graphs = []
    for family in families:
        graph = _bind_family(family, made, decoder, open_input or _reader)
        for output, number in zip(graph.outputs, family.numbers, strict=True):
            if number == INTERNAL:
                stream = output.node.streams[0]
                made[id(stream)] = SourceInfo(stream.name(), output.rows)
        graphs.append(graph)
    return graphs


def _reader(stream: StoredStream) -> RowReader:
    return stream.reader()


def _bind_family(
    family: Family,
    made: Mapping[int, SourceInfo],
    decoder: str,
    open_input: Callable[[StoredStream], RowReader],
) -> BoundGraph:
    nodes = topological(family.outputs)
    _check_trust(nodes)
    sources: dict[int, SourceInfo] = {}
    for node in nodes:
        if isinstance(node, InputNode):
            stream = node.streams[0]
            info = made.get(id(stream))
            if info is None:
                with open_input(stream) as reader:
                    reader.decode_on(decoder)
                    info = SourceInfo(
                        stream.name(),
                        len(reader),
                        reader.keyframes,
                        reader.frame_bytes,
                        reader.gop_bytes,
                        reader.fits_gpu,
                    )
            sources[id(node)] = info
    return bind(nodes, 0, sources)


def _check_trust(nodes: Sequence[Node]) -> None:
    """Refuses a graph that would unpickle what an untrusted database holds.

    Raises:
        UntrustedDataError: Names the stream and the type.
    """
    doubtful: dict[int, StoredStream] = {}
    for node in nodes:
        if isinstance(node, InputNode):
            stream = node.streams[0]
            if not isinstance(stream, Slot) and not stream.storage().trusted:
                doubtful[id(node)] = stream
        for place, column in enumerate(node.inputs):
            found = doubtful.get(id(column.node))
            if found is None:
                continue
            check_no_pickle(column.type, found.name())
            if isinstance(node, OpNode):
                spec = node.spec
                wanted = spec.inputs[0 if spec.variadic else place].type
                if wanted is not None and wanted.type is not Any:
                    check_no_pickle(wanted, found.name())
                elif wanted is not None and column.type is not None:
                    check_plain(column.type, found.name())
            else:
                doubtful[id(node)] = found


def check_rows(families: Sequence[Family], graphs: Sequence[BoundGraph]) -> None:
    """Refuses a job whose outputs differ in rows.

    Raises:
        GraphError: Names two of them and their rows.
    """
    (first, length), *others = [
        (output.node.streams[0].name(), output.rows)
        for family, graph in zip(families, graphs, strict=True)
        for output, number in zip(graph.outputs, family.numbers, strict=True)
        if number != INTERNAL
    ]
    for name, rows in others:
        if rows != length:
            raise GraphError(
                f"outputs of one run must have equal numbers of rows: {first!r} would "
                f"have {length}, {name!r} {rows}; run them one after the other"
            )


def check_types(families: Sequence[Family]) -> None:
    """Refuses a job with an input of another type than that of the first job.

    Args:
        families: Of the job.

    Raises:
        ElementTypeError: Names the stream, its type and what the graph reads.
    """
    outputs = [output for family in families for output in family.outputs]
    made = {id(output.streams[0]) for output in outputs}
    for node in topological(outputs):
        for column in node.inputs:
            if isinstance(column.node, InputNode):
                stream = column.node.streams[0]
                if isinstance(stream, NamedStream) and id(stream) not in made:
                    _check_first_type(stream, column.type)


def _check_first_type(stream: NamedStream, kind: ScannerTypeInfo | None) -> None:
    found = stream.descriptor()
    # By name: a worker need not know the type.
    frames, unknown = get_type_info(FrameType), get_type_info(bytes)
    holds = found.element_type or unknown.name
    if found.kind == "video":
        holds = frames.name
    wanted = (kind or frames).name
    if holds != wanted:
        raise ElementTypeError(
            "the streams of one io.Input must hold one type: the first holds "
            f"{wanted}, {stream.name()!r} holds {holds}"
        )
