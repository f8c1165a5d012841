"""Writes ``(FrameKey, value)`` elements of a PCollection to streams of a database.

Rows come in any order, from all workers, and a stream may be larger than any of them.
So rows are not grouped by stream, but by *chunks* of row numbers. The rows of each
chunk are counted first, which gives every chunk its place in the stored stream; then
each is sorted and written as one segment; and only a short record of each chunk is
grouped by stream in the end. The segments of a stream become
visible together, by its descriptor, or not at all.

::

    rows --+-- chunk -> 1 ------- count -- by stream -- place of each chunk --+
           |                                                                  |
           +-- chunk -> row ------------------------------------ by chunk ----+
                                                                     |
                                     commit -- by stream -- segment --+
"""

# No postponed annotations: Beam reads the types of Commit's fields, and not from strings.

import hashlib
import json
import logging
import math
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import apache_beam as beam
import numpy as np
from apache_beam import typehints
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from beam_scanner.beam_internals.applied_steps import label_of_maker
from beam_scanner.beam_internals.pardo_attributes import par_do
from beam_scanner.beam_internals.row_types import may_be, value_type_of
from beam_scanner.beam_internals.several_outputs import SeveralOutputs
from beam_scanner.elements.coders import entering, type_of_hint
from beam_scanner.elements.hints import typed
from beam_scanner.elements.keys import FrameKey
from beam_scanner.elements.records import NAMESPACE, Commit, Written
from beam_scanner.engine.memory import release_memory
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    Failure,
    OutcomeUnknownError,
    ScannerException,
    StreamExistsError,
)
from beam_scanner.kernels.pickling import dumps_graph, loads_graph
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.keep_failures import KeepFailures
from beam_scanner.run.pipeline_stages import FAILURES, count_commit, report_failures
from beam_scanner.run.sink_claims import Claims
from beam_scanner.run.worker_run import StoredRun
from beam_scanner.storage.commit import generation_of
from beam_scanner.storage.settle_type import pickled_text, pickled_why
from beam_scanner.storage.stored_rows import Publication, Record, SegmentTask
from beam_scanner.storage.stream_names import stream_key
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.writer_marks import mark, unmark
from beam_scanner.stores.open import open_store
from beam_scanner.text.error_text import message_of, plain
from beam_scanner.text.shown_values import shown_value
from beam_scanner.transforms.places import check_places
from beam_scanner.types.element_types import NULL, FrameType, NullElement
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info
from beam_scanner.video.encoding import Encoding

_log = logging.getLogger(__name__)

FRAMES_A_CHUNK = 32
VALUES_A_CHUNK = 512
"""Rows that are sorted in memory and stored as one segment."""

_ATTEMPTS = 2
_FORMAT = b"beam_scanner elements 1"
_ROW_HEAD = struct.Struct("<d?q")
_T = TypeVar("_T")

Chunk = tuple[str, str, int, int]
"""Output stream, input stream, slice group, number of the chunk in the group."""

_Row = tuple[int, float, bytes | None]
"""Row number, seconds (nan if unknown), serialized element (None: null)."""

_Event = tuple[str, tuple[str, str]]
"""An event of an output stream, for the last step: its name; a kind and JSON."""


@dataclass(frozen=True)
class _Target:
    """Where rows go, and as what."""

    db: str
    name: str
    generation: str
    packed_type: bytes
    encoding: Encoding | None

    @cached_property
    def info(self) -> ScannerTypeInfo:
        found: ScannerTypeInfo = loads_graph(self.packed_type)
        return found

    @property
    def is_frames(self) -> bool:
        return self.info.type is FrameType

    def stream(self, name: str) -> NamedStream:
        return NamedStream(NamedStorage(self.db), name)

    def chunk(self, key: FrameKey) -> Chunk:
        rows = FRAMES_A_CHUNK if self.is_frames else VALUES_A_CHUNK
        name = self.name.replace("{stream}", key.stream)
        return name, key.stream, key.group, key.row // rows


class WriteElements(beam.PTransform):  # type: ignore[misc]
    """Writes ``(FrameKey, value)`` elements to named streams.

    Rows are stored in the order of their keys as rows 0 to n - 1: gaps, as a filter
    leaves them, close, and each row keeps its presentation time. A stream of which no
    row comes is not written. A key that comes twice, or a value of another type, fails
    its stream alone. A stream that had the name is replaced by the commit.

    Args:
        db: Folder or URL of the database.
        name: Of each output stream; ``{stream}`` stands for that of the input.
        video: Whether the values are frames, to be stored as video.
        type: Element type of the values; by default what their type hint says, and
            ``typing.Any`` where that says nothing.
        encoding: How frames are to be encoded.

    Returns:
        :class:`Written`.

    Raises:
        ArgumentError: The name is impossible; or type or encoding do not fit.
        ElementTypeError: When it is applied: the PCollection holds something else.

    Examples:
        >>> import tempfile
        >>> db = tempfile.mkdtemp()
        >>> rows = [(FrameKey('a', 0, row), b'%d' % row) for row in (7, 3)]
        >>> with beam.Pipeline('FnApiRunner') as pipeline:
        ...     _ = pipeline | beam.Create(rows) | WriteElements(db, 'out/{stream}')
        >>> list(NamedStream(NamedStorage(db), 'out/a').load())
        [b'3', b'7']
    """

    def __init__(
        self,
        db: str,
        name: str,
        video: bool = False,
        type: Any = None,
        encoding: Encoding | None = None,
    ) -> None:
        super().__init__()
        stream_key(name.replace("{stream}", "x") if isinstance(name, str) else name)
        if video and type is not None and get_type_info(type).type is not FrameType:
            raise ArgumentError(
                f"stream {name!r} is to be video, so its type must be FrameType, not "
                f"{get_type_info(type).name}"
            )
        # A relative path would mean other folders to workers.
        self._db = open_store(db).url
        self._name = name
        self._type = FrameType if video else type
        self._encoding = encoding
        self.claims: Claims | None = None

    def display_data(self) -> dict[str, Any]:
        """What monitoring shows."""
        return {"db": shown_value(self._db), "name": self._name}

    def expand(self, rows: Any) -> Any:
        """Wires the steps; see the module."""
        check_places(rows.pipeline, self._db)
        target = self._target(rows)
        commit = par_do(_Commit(target), claims=self.claims)
        keyed = (
            rows
            | "One window" >> beam.WindowInto(GlobalWindows())
            | "Chunk" >> beam.ParDo(_ToChunks(target)).with_outputs("events", "counted")
        )
        placed = (
            keyed.counted
            | "Count" >> beam.CombinePerKey(sum)
            | "Key by stream" >> beam.Map(_by_stream)
            | "Counts" >> beam.GroupByKey()
            | "Place" >> beam.ParDo(_Place(target)).with_outputs("events")
        )
        written = (
            {"rows": keyed[None], "place": placed[None]}
            | "By chunk" >> beam.CoGroupByKey()
            | "Write" >> beam.ParDo(_Write(target))
        )
        ended = (
            (keyed.events, placed.events, written)
            | beam.Flatten()
            | "By stream" >> beam.GroupByKey()
            | "Commit" >> commit.with_outputs(FAILURES, main="commits")
        )
        run = StoredRun(target.db, target.generation)
        failed = ended.failures | "Keep failures" >> KeepFailures(run)
        return Written(typed(ended.commits, Commit), failed)

    def _target(self, rows: Any) -> _Target:
        if not rows.is_bounded:
            raise ArgumentError(
                f"stream {self._name!r}: an unbounded PCollection never completes a "
                "stream; write a bounded one"
            )
        declared = self._type
        if declared is None:
            hint = value_type_of(rows.element_type)
            declared = Any if hint is None else type_of_hint(hint)
        info = get_type_info(declared)
        _check_elements(rows, self._name, info.type is FrameType)
        if self._encoding is not None and info.type is not FrameType:
            raise ArgumentError(
                f"stream {self._name!r} is of type {info.name}: only frames have an "
                "encoding"
            )
        # The class may be one that workers cannot import.
        packed = dumps_graph(info)
        generation = uuid.uuid4().hex
        return _Target(self._db, self._name, generation, packed, self._encoding)


_ROWS = typehints.Tuple[FrameKey, typehints.Any]
_FRAMES = typehints.Tuple[FrameKey, typehints.Optional[np.ndarray]]


def _check_elements(rows: Any, name: str, are_frames: bool) -> None:
    """Refuses a PCollection that surely holds no rows, or no frames."""
    given = rows.element_type
    if not may_be(given, _ROWS):
        wanted = "(FrameKey, value)"
    elif are_frames and not may_be(given, _FRAMES):
        wanted = "frames, (FrameKey, array)"
    else:
        return
    maker = label_of_maker(rows)
    raise ElementTypeError(
        f"sink {name!r} takes elements {wanted}; those{maker and f' of {maker}'} are of "
        f"type {given}"
    )


class _RowFailure(ScannerException):
    """A row that cannot be stored."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


def _failure_event(name: str, error: Exception) -> _Event:
    failure = failure_of(name, error)
    fields = failure._asdict() | {"row": getattr(error, "row", failure.row)}
    return name, ("failed", json.dumps(fields))


def _tried(function: Callable[[], _T]) -> _T:
    """The result of a function, of the second try if the first one fails."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return function()
        except Exception:
            continue
    return function()


class _Step(SeveralOutputs):
    """A step of the sink."""

    def __init__(self, target: _Target) -> None:
        self._target = target


class _ToChunks(_Step):
    """(key, value) to (chunk, row); (chunk, 1) to count it; failures."""

    def setup(self) -> None:
        self._enter = entering(self._target.info)

    def process(self, element: Any) -> Iterator[Any]:
        key, value = _checked(element)
        chunk = self._target.chunk(key)
        try:
            _check_name(chunk[0])
        except ArgumentError as error:
            yield TaggedOutput("events", _failure_event(plain(chunk[0]), error))
            return
        try:
            data = self._serialized(value)
        except Exception as error:
            failure = _RowFailure(key.row, message_of(error))
            yield TaggedOutput("events", _failure_event(chunk[0], failure))
            return
        seconds = math.nan if key.pts_seconds is None else key.pts_seconds
        yield chunk, (key.row, seconds, data)
        yield TaggedOutput("counted", (chunk, 1))

    def _serialized(self, value: Any) -> bytes | None:
        element = self._enter(value)
        if isinstance(element, NullElement):
            return None
        target = self._target
        return target.info.serialize(element) if target.is_frames else element


def _check_name(name: str) -> None:
    stream_key(name)
    if plain(name) != name:
        raise ArgumentError(
            f"stream name {name!r} holds bytes that are not text, as paths may; give the "
            "stream another name"
        )


def _checked(element: Any) -> tuple[FrameKey, Any]:
    if isinstance(element, tuple) and len(element) == 2:
        key, value = element
        if isinstance(key, FrameKey):
            return key, value
    raise ElementTypeError(
        "only (FrameKey, value) elements can be written to a stream, got "
        f"{type(element).__name__} {element!r:.80}"
    )


def _by_stream(counted: tuple[Chunk, int]) -> tuple[str, tuple[str, int, int, int]]:
    (name, stream, group, chunk), rows = counted
    return name, (stream, group, chunk, rows)


class _Place(_Step):
    """Gives each chunk its number in its stream and its first stored row."""

    def process(
        self, element: tuple[str, Iterable[tuple[str, int, int, int]]]
    ) -> Iterator[Any]:
        name, counts = element
        chunks = sorted(counts)
        streams = sorted({stream for stream, _, _, _ in chunks})
        try:
            seen = _tried(lambda: self._seen(name))
        except Exception as error:
            yield TaggedOutput("events", _failure_event(name, error))
            return
        plan = json.dumps([streams[:2], len(chunks), seen])
        yield TaggedOutput("events", (name, ("planned", plan)))
        if len(streams) > 1:
            return
        first = 0
        for number, (stream, group, chunk, rows) in enumerate(chunks):
            yield (name, stream, group, chunk), (number, first)
            first += rows

    def _seen(self, name: str) -> str:
        """Begins to write a stream; the generation that it is to replace."""
        target, stream = self._target, self._target.stream(name)
        store = stream.storage().store(create=True)
        mark(store, target.generation, _part(name))
        return generation_of(stream.try_descriptor())


def _part(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


class _Write(_Step):
    """Writes each chunk as one segment."""

    def process(self, element: tuple[Chunk, Mapping[str, Any]]) -> Iterator[_Event]:
        (name, _, _, _), found = element
        places = list(found["place"])
        if not places:
            return
        try:
            rows = _in_order(found["rows"])
            number, first = places[0]
            record = _tried(lambda: self._segment(name, number, first, rows))
        except Exception as error:
            yield _failure_event(name, error)
            return
        Metrics.counter(NAMESPACE, "rows_written").inc(len(rows))
        release_memory()
        yield name, ("written", json.dumps([record, _digest(rows).hex()]))

    def _segment(self, name: str, number: int, first: int, rows: list[_Row]) -> Record:
        target = self._target
        writer = target.stream(name).segment_writer(
            SegmentTask(
                target.generation,
                number,
                uuid.uuid4().hex[:12],
                first,
                target.encoding,
                target.info,
                infer=True,
            )
        )
        try:
            for place, (_, seconds, data) in enumerate(rows, first):
                element = NULL if data is None else data
                if data is not None and target.is_frames:
                    element = target.info.deserialize(data)
                writer.write(place, [element], np.array([seconds]))
            return writer.finish()
        except BaseException:
            writer.abort()
            raise


def _in_order(rows: Iterable[_Row]) -> list[_Row]:
    ordered = sorted(rows, key=lambda row: row[0])
    for (row, _, _), (following, _, _) in pairwise(ordered):
        if row == following:
            raise _RowFailure(row, f"row {row} came more than once")
    return ordered


def _digest(rows: Iterable[_Row]) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for _, seconds, data in rows:
        known = math.nan if math.isnan(seconds) else seconds
        found.update(_ROW_HEAD.pack(known, data is None, len(data or b"")))
        found.update(data or b"")
    return found.digest()


class _Commit(_Step):
    """Publishes a stream whose chunks are all written, or says why it cannot."""

    claims: Claims | None = None

    def process(self, element: tuple[str, Iterable[tuple[str, str]]]) -> Iterator[Any]:
        name, events = element
        kinds: dict[str, list[Any]] = {"failed": [], "planned": [], "written": []}
        for kind, data in events:
            kinds[kind].append(json.loads(data))
        stays = False
        try:
            failure = _first_failure(name, kinds["failed"])
            commit = None if failure else _tried(lambda: self._publish(name, kinds))
        except Exception as error:
            failure = failure_of(name, error)
            stays = isinstance(error, OutcomeUnknownError)
        self._end(name, stays or failure is None)
        if failure is None:
            count_commit()
            yield commit
        else:
            yield from report_failures([failure])

    def _publish(self, name: str, kinds: Mapping[str, list[Any]]) -> Commit:
        streams, chunks, seen = kinds["planned"][0]
        if len(streams) > 1:
            raise StreamExistsError(
                f"{streams[0]!r} and {streams[1]!r} would both be written to stream "
                f"{name!r}: put {{stream}} into its name"
            )
        if self.claims is not None:
            self.claims.claim(streams[0])
        written = sorted(kinds["written"], key=lambda event: int(event[0]["first"]))
        if len(written) != chunks:
            raise ScannerException(
                f"stream {name!r}: {len(written)} of {chunks} parts were written, "
                "although none failed"
            )
        target, stream = self._target, self._target.stream(name)
        records = [record for record, _ in written]
        fingerprint = self._fingerprint([digest for _, digest in written])
        found = stream.publish(
            Publication(
                target.generation,
                records,
                fingerprint,
                run=target.generation,
                source=f"elements:{streams[0]}",
                type_name=target.info.name,
                seen=seen,
            )
        )
        why = pickled_why(found)
        if why:
            _log.warning("%s", pickled_text("", [name], why))
        path = stream.storage().raw_store().describe(stream_key(name))
        return Commit(name, path, sum(r["rows"] for r in records), fingerprint)

    def _fingerprint(self, digests: Iterable[str]) -> str:
        found = hashlib.blake2b(_FORMAT, digest_size=16)
        encoding = self._target.encoding or Encoding()
        settings = repr(encoding) if self._target.is_frames else ""
        found.update(f"{self._target.info.name} {settings} ".encode())
        found.update(" ".join(digests).encode())
        return found.hexdigest()

    def _end(self, name: str, stays: bool) -> None:
        """Removes the files of a stream that are not committed and cannot be."""
        target = self._target
        # The stream has failed already, and this would only leave unused files.
        with suppress(ScannerException):
            stream = target.stream(name)
            if not stays:
                stream.discard(target.generation)
            unmark(stream.storage().raw_store(), target.generation, _part(name))


def _first_failure(name: str, failed: Iterable[Any]) -> Failure | None:
    """Of several failures always the same one: that of the first row."""
    failures = [Failure(**{**each, "stream": name}) for each in failed]
    return min(
        failures,
        key=lambda f: (math.inf if f.row is None else f.row, f.reason),
        default=None,
    )
