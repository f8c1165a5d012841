"""Scanner's lower-level inputs and outputs: ``sc.sources`` and ``sc.sinks``.

Its storage backends call them, with one value for each stream in every list; each call
is one of ``sc.io.Input`` or ``sc.io.Output`` here::

    sc.sources.Files(paths=[['a.jpg', 'b.jpg']])     # one stream, of two rows
"""

from __future__ import annotations

import inspect
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beam_scanner.errors import ArgumentError, GraphError, OpNotFoundError
from beam_scanner.graph.builder import IOGenerator
from beam_scanner.graph.nodes import OpColumn, OutputNode
from beam_scanner.storage import (
    AudioStream,
    CaptionStream,
    FilesStorage,
    FilesStream,
    NamedStream,
    NamedVideoStream,
    PackedFileStream,
    PythonStream,
    SQLInputStream,
    SQLOutputStream,
    SQLStorage,
    StoredStream,
)

MakeStream = Callable[..., StoredStream]
"""From the client and the arguments of one stream."""


def _named(sc: Any, table_name: str, column_name: str | None = None) -> NamedStream:
    return NamedStream(sc, _text(table_name))


def _stored(sc: Any, table_name: str, column_name: str | None = None) -> Any:
    """A table's column; most tables have one, which is the stream of that name."""
    name = _text(column_name)
    if name in (None, "column", "frame"):
        return _named(sc, table_name)
    stream = sc.table(_text(table_name)).column(name).stream()
    if stream is None:
        raise ArgumentError(f"column {name!r} holds row numbers, which no op reads")
    return stream


def _frames(sc: Any, table_name: str, column_name: str | None = None) -> NamedStream:
    return NamedVideoStream(sc, _text(table_name))


def _text(name: Any) -> Any:
    return name.decode() if isinstance(name, bytes) else name


def _files(
    sc: Any,
    paths: Sequence[str],
    storage_type: str = "posix",
    bucket: str | None = None,
    region: str | None = None,
    endpoint: str | None = None,
) -> FilesStream:
    return FilesStream(paths, FilesStorage(storage_type, bucket, region, endpoint))


def _python(sc: Any, data: Any) -> PythonStream:
    return PythonStream(pickle.loads(data) if isinstance(data, bytes) else data)


def _audio(sc: Any, frame_size: float, path: str) -> AudioStream:
    return AudioStream(path, frame_size)


def _captions(sc: Any, window_size: float, path: str, max_time: float) -> CaptionStream:
    return CaptionStream(path, window_size, max_time)


def _packed(sc: Any, path: str) -> PackedFileStream:
    return PackedFileStream(path)


def _sql_query(
    sc: Any,
    filter: str,
    query: Any = None,
    config: Any = None,
    enum_query: Any = None,
    enum_config: Any = None,
    num_elements: int | None = None,
) -> SQLInputStream:
    storage = SQLStorage(enum_config if config is None else config)
    meant = enum_query if query is None else query
    return SQLInputStream(meant, filter, storage, num_elements)


def _sql_rows(
    sc: Any,
    job_name: str,
    config: Any,
    table: str,
    job_table: str | None = None,
    insert: bool = False,
    ignore_conflicts: bool = False,
) -> SQLOutputStream:
    return SQLOutputStream(
        table,
        job_name,
        SQLStorage(config, job_table),
        insert,
        ignore_conflicts=ignore_conflicts,
    )


SOURCES: dict[str, MakeStream] = {
    "Column": _stored,
    "Sequence": _stored,
    "FrameColumn": _frames,
    "FrameSequence": _frames,
    "Files": _files,
    "Python": _python,
    "Audio": _audio,
    "Captions": _captions,
    "PackedFile": _packed,
    "SQL": _sql_query,
}
"""Scanner's sources, and those of its tools."""

SINKS: dict[str, MakeStream] = {
    "Column": _named,
    "FrameColumn": _frames,
    "Files": _files,
    "SQL": _sql_rows,
}
"""Scanner's sinks, and those of its tools."""

TAKE_INPUT = ("Files", "SQL")
"""Sinks that call their column ``input``; others have ``columns``."""


class SourceGenerator:
    """The sources by name: ``sc.sources``.

    Args:
        sc: The client.
    """

    def __init__(self, sc: Any) -> None:
        self._sc = sc

    def __dir__(self) -> list[str]:
        return sorted(SOURCES)

    def __getattr__(self, name: str) -> Any:
        make = _maker(SOURCES, "Source", name, "Input")

        def source(**arguments: Any) -> OpColumn:
            # How sparsely a source was read; reads are planned row by row here.
            arguments.pop("load_sparsity_threshold", None)
            return IOGenerator(self._sc).Input(
                streams_of(self._sc, name, make, arguments)
            )

        return source


class SinkGenerator:
    """The sinks by name: ``sc.sinks``.

    Args:
        sc: The client.
    """

    def __init__(self, sc: Any) -> None:
        self._sc = sc

    def __dir__(self) -> list[str]:
        return sorted(SINKS)

    def __getattr__(self, name: str) -> Any:
        make = _maker(SINKS, "Sink", name, "Output")

        def sink(
            columns: Mapping[str, OpColumn] | None = None,
            input: OpColumn | None = None,
            **arguments: Any,
        ) -> OutputNode:
            column = _column(name, columns, input)
            streams = streams_of(self._sc, name, make, arguments)
            if name not in TAKE_INPUT:
                _warn_of_name(next(iter(columns or {})), streams[0])
            return IOGenerator(self._sc).Output(column, streams)

        return sink


def _column(
    name: str, columns: Mapping[str, OpColumn] | None, given: OpColumn | None
) -> Any:
    if name in TAKE_INPUT:
        if given is None:
            raise ArgumentError(f"sink {name} required column input as input")
        return given
    if not isinstance(columns, Mapping) or not columns:
        raise ArgumentError(
            f"Columns must be specified for {name} Sink. For example, "
            f"sc.sinks.{name}(columns={{'column_name': col}})."
        )
    if len(columns) > 1:
        raise GraphError(
            f"sink {name} takes one column, got {', '.join(columns)}; use one "
            "sc.io.Output for each"
        )
    return next(iter(columns.values()))


def _warn_of_name(column: str, stream: StoredStream) -> None:
    if column not in ("column", "frame"):
        warnings.warn(
            f"the column of table {stream.name()!r} will not be called {column!r}: "
            "tables that a run makes have one column, 'frame' if it holds frames and "
            "else 'column'",
            stacklevel=3,
        )


def _maker(
    kinds: Mapping[str, MakeStream], what: str, name: str, method: str
) -> MakeStream:
    if name not in kinds:
        raise OpNotFoundError(
            f"{what} {name} does not exist; it may be a StoredStream for sc.io.{method}"
        )
    return kinds[name]


def streams_of(
    sc: Any, name: str, make: MakeStream, arguments: Mapping[str, Any]
) -> list[StoredStream]:
    """One stream for each element of the arguments that are lists.

    Args:
        sc: The client.
        name: Of the source or sink.
        make: Makes one stream.
        arguments: By name: a list with one value for each stream, or one for all.

    Raises:
        ArgumentError: An argument is missing or unknown, none is a list, or lists are
            of different lengths.
    """
    signature = inspect.signature(make)
    try:
        signature.bind(sc, **arguments)
    except TypeError as error:
        takes = ", ".join(list(signature.parameters)[1:])
        raise ArgumentError(f"{name} takes {takes}: {error}") from None
    given = {key: value for key, value in arguments.items() if value is not None}
    required = list(signature.parameters)[1]
    counts = {k: len(v) for k, v in given.items() if isinstance(v, (list, tuple))}
    if not counts.get(required):
        raise ArgumentError(
            f"{required} of {name} must be a list with one value for each stream, got "
            f"{arguments[required]!r}"
        )
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{k} for {n}" for k, n in counts.items())
        raise ArgumentError(f"arguments of {name} are for different streams: {shown}")
    return [
        make(sc, **{k: v[i] if k in counts else v for k, v in given.items()})
        for i in range(counts[required])
    ]
