"""The transforms that ``providers.yaml`` names, with arguments that YAML can say.

Beam reads signatures and docstrings of this module to check and to describe a
transform, so annotations are types, not strings.
"""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import Any, get_type_hints

import apache_beam as beam
from apache_beam import typehints
from apache_beam.yaml.yaml_errors import ErrorHandlingConfig

from beam_scanner.beam_internals.row_types import (
    fields_of,
    may_be,
    row_type,
    value_type_of,
)
from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ArgumentError, Failure
from beam_scanner.kernels.op_help import op_doc, op_parameters
from beam_scanner.kernels.register import op_spec
from beam_scanner.rows.samplers import PARTITIONS
from beam_scanner.run.sink_claims import STREAM
from beam_scanner.transforms import read, sample, stream_transform, write
from beam_scanner.transforms.apply_op import Op as PythonOp
from beam_scanner.transforms.group import Streams
from beam_scanner.transforms.registered import transform_named
from beam_scanner.transforms.stream_transform import pretty
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info_cpp
from beam_scanner.video.encoding import Encoding

FAILURE_FIELDS = [
    ("stream", str),
    ("reason", str),
    ("row", int | None),
    ("op", str | None),
    ("traceback", str),
    ("kind", str),
    ("exception", str),
]
"""Fields of the rows that ``error_handling`` gives."""


class ReadFromVideo(read.ReadFromVideo):
    """Reads all videos that match a pattern, where they lie.

    Nothing is decoded here: the transforms that follow decide which frames they need.
    A stream is called by the part of its path below the literal part of the pattern.

    Args:
        pattern: Path or glob, of any file system that Beam knows.
        empty_match_treatment: Whether the pattern may match nothing: DISALLOW, ALLOW
            or ALLOW_IF_WILDCARD.
    """

    def __init__(self, pattern: str, empty_match_treatment: str = "DISALLOW") -> None:
        super().__init__(pattern, empty_match_treatment=empty_match_treatment)


class ReadAllFromVideo(read.ReadAllFromVideo):
    """Reads the videos whose paths or patterns rows hold.

    Args:
        field: Field of the rows that has the path.
    """

    def __init__(self, field: str = "path") -> None:
        super().__init__()
        self._field = field

    def expand(self, pcoll: Any) -> Any:
        """Takes the paths out of the rows."""
        given = _fields(pcoll, "ReadAllFromVideo", [self._field])[self._field]
        if not may_be(given, str):
            raise ArgumentError(
                f"ReadAllFromVideo takes rows with paths; field {self._field} of its "
                f"input is of type {pretty(given)}"
            )
        take = beam.Map(attrgetter(self._field)).with_output_types(str)
        return super().expand(pcoll | "Path" >> take)


class ReadFromNamedStream(read.ReadFromNamedStream):
    """Reads streams of a database.

    Args:
        db: Folder or URL of the database.
        pattern: Name of a stream, or a pattern with *, ? and [].
        type: Element type: FrameType for frames, else the name of what the stream
            was written with, such as Histogram, BboxList or Any.
        trusted: False if whoever can write to the database might plant values that
            run code when they are read: then nothing in it is unpickled.
    """

    def __init__(
        self, db: str, pattern: str, type: str = "Bytes", trusted: bool = True
    ) -> None:
        super().__init__(db, pattern, type=_element_type(type), trusted=trusted)


class Slice(sample.Slice):
    """Cuts each stream into groups, which transforms up to Unslice see by themselves.

    Args:
        partition: How: all, strided, range, ranges, strided_range, strided_ranges or
            gather.
        arguments: Of the partition: group_size for all; stride and group_size for
            strided; start and end for range; and so on, as sc.partitioner has them.

    Examples:
        >>> Slice('all', {'group_size': 250}).label
        'Slice'
    """

    def __init__(self, partition: str, arguments: Mapping[str, Any]) -> None:
        if partition not in PARTITIONS:
            raise ArgumentError(
                f"Slice has no partition {partition!r}; use one of "
                f"{', '.join(PARTITIONS)}"
            )
        super().__init__(getattr(sample.partitioner, partition)(**arguments))


Unslice = sample.Unslice


class Op(PythonOp):
    """Runs an op.

    Several inputs go by the names of its parameters; several outputs are called ret0,
    ret1, and so on.

    Args:
        op: Name of a registered op, or a kernel of your own as module:name.
        arguments: Of the op; also stencil, batch, bounded_state, stencil_edge and
            on_error.

    Examples:
        >>> Op('Resize', {'width': 320, 'height': 180}).label
        'Resize'
    """

    def __init__(self, op: str, arguments: Mapping[str, Any] | None = None) -> None:
        super().__init__(_kernel(op), **(arguments or {}))

    def expand(self, pvalueish: Any) -> Any:
        """Adds the op to the graph."""
        made = super().expand(pvalueish)
        return made if isinstance(made, Streams) else made._asdict()


class WriteToNamedStream(write.WriteToNamedStream):
    """Stores streams in a database, each committed whole or not at all.

    Gives rows (stream, path, rows, fingerprint) of the streams that are there now. Rows
    that StreamsToRows gave, or others with its fields, can be written too: they are
    grouped by stream and ordered by row.

    Args:
        db: Folder or URL of the database.
        name: Of the streams; {stream} stands for the name of the source's.
        encoding: How frames are stored: codec (h264, hevc, vp9, av1, or raw for
            lossless), quality, bitrate, keyframe_distance.
        type: Name of the element type of values that come as rows: FrameType, Bytes,
            BboxList, ...; by default what the type of their field says.
        error_handling: Name of an output of rows (stream, reason, row, op, traceback):
            the streams that are not there, and why.
    """

    def __init__(
        self,
        db: str,
        name: str = STREAM,
        encoding: Mapping[str, Any] | None = None,
        type: str | None = None,
        error_handling: ErrorHandlingConfig | None = None,
    ) -> None:
        super().__init__(
            db,
            name,
            None if encoding is None else Encoding(**encoding),
            None if type is None else _element_type(type),
        )
        self._failed = _failures_output(error_handling)

    def expand(self, pcoll: Any) -> Any:
        """Adds the sink."""
        if not isinstance(pcoll, Streams):
            pcoll = _from_rows(pcoll)
        written = super().expand(pcoll)
        return _with_failures(written.commits, written.failures, self._failed)


class WriteToNamedVideo(WriteToNamedStream):
    """Stores streams of frames as video; gives what WriteToNamedStream gives.

    Args:
        db: Folder or URL of the database.
        name: Of the streams; {stream} stands for the name of the source's.
        encoding: As for WriteToNamedStream.
        error_handling: As for WriteToNamedStream.
    """

    _video = True

    def __init__(
        self,
        db: str,
        name: str = STREAM,
        encoding: Mapping[str, Any] | None = None,
        error_handling: ErrorHandlingConfig | None = None,
    ) -> None:
        super().__init__(db, name, encoding, error_handling=error_handling)


class StreamsToRows(stream_transform.GraphTransform):
    """Gives the rows of streams to any other transform of YAML.

    They have the fields stream, group (of a slice; 0 outside), row, pts_seconds (null
    if unknown) and value. They come in no order. A null row has the value null.

    Args:
        error_handling: Name of an output of rows (stream, reason, row, op, traceback):
            the streams whose rows are not all here, and why.
    """

    def __init__(self, error_handling: ErrorHandlingConfig | None = None) -> None:
        super().__init__()
        self._failed = _failures_output(error_handling)

    def expand(self, pcoll: Any) -> Any:
        """Leaves the graph."""
        streams = self.streams(pcoll)
        assert isinstance(streams, Streams)
        value = value_type_of(streams.element_type)
        row = row_type([*get_type_hints(FrameKey).items(), ("value", value)])
        to_row = beam.MapTuple(lambda key, value: beam.Row(**asdict(key), value=value))
        rows = streams | "Rows" >> to_row.with_output_types(row)
        return _with_failures(rows, streams.failures, self._failed)


def _fields(rows: Any, transform: str, needed: Sequence[str]) -> dict[str, Any]:
    """Fields of rows with their types; an ArgumentError where one is missing."""
    fields = fields_of(rows.element_type)
    missing = [name for name in needed if name not in fields]
    if missing:
        raise ArgumentError(
            f"{transform} takes rows with {', '.join(needed)}; its input "
            f"has {', '.join(fields) or 'no fields'}"
        )
    return fields


def _from_rows(rows: Any) -> Any:
    """Rows with the fields of StreamsToRows as ``(FrameKey, value)``."""
    value = _fields(rows, "WriteToNamedStream", ["stream", "row", "value"])["value"]
    key_and_value = typehints.Tuple[FrameKey, value]
    return rows | "Keys" >> beam.Map(_from_row).with_output_types(key_and_value)


def _from_row(row: Any) -> tuple[FrameKey, Any]:
    group, seconds = getattr(row, "group", 0), getattr(row, "pts_seconds", None)
    return FrameKey(row.stream, group, row.row, seconds), row.value


def _failures_output(error_handling: Any) -> str | None:
    if error_handling is None:
        return None
    given = dict(error_handling)
    if set(given) != {"output"}:
        raise ArgumentError(
            f"error_handling takes output, the name of an output; got {given!r}"
        )
    return str(given["output"])


def _with_failures(main: Any, failures: Any, output: str | None) -> Any:
    if output is None:
        return main
    row = row_type(FAILURE_FIELDS)
    failed = failures | "Failure rows" >> beam.Map(_failure_row).with_output_types(row)
    return {"good": main, output: failed}


def _failure_row(failure: Failure) -> Any:
    return beam.Row(**{name: getattr(failure, name) for name, _ in FAILURE_FIELDS})


def _element_type(name: str) -> Any:
    return FrameType if name == "FrameType" else get_type_info_cpp(name).type


def _kernel(op: str) -> Any:
    module, colon, name = op.partition(":")
    if not colon:
        return op
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ArgumentError(f"no kernel {op!r} can be imported: {error}") from error


def _op(name: str) -> Any:
    """A factory with the parameters and the description for Beam to read."""

    def make(**arguments: Any) -> Any:
        return Op(name, arguments)

    spec = op_spec(name)
    make.__signature__ = inspect.Signature(op_parameters(spec))  # type: ignore[attr-defined]
    make.__doc__ = str(op_doc(spec))
    return make


def __getattr__(name: str) -> Any:
    """Samplers and ops are those of :mod:`beam_scanner.transforms`."""
    found = None if name.startswith("_") else transform_named(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _op(name) if issubclass(found, PythonOp) else found
