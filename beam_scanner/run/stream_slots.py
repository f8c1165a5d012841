"""What stands in a graph for streams that are known only when the pipeline runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.elements.coders import leaving
from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ElementTypeError
from beam_scanner.rows.row_maps import Layout
from beam_scanner.run.sink_claims import STREAM, Claims
from beam_scanner.storage.stored_rows import (
    Publication,
    Record,
    SegmentTask,
    SegmentWriter,
)
from beam_scanner.storage.streams.backend import StorageBackend, StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.types.element_types import NullElement
from beam_scanner.types.type_info import ScannerTypeInfo

TaggedRow = tuple[str, tuple[FrameKey, Any]]
"""A row that leaves the graph, and the tag of its branch."""


class Slot(StoredStream):
    """Stands for a stream while the pipeline is built."""

    def storage(self) -> StorageBackend:
        """An empty one."""
        return StorageBackend()


@dataclass(eq=False)
class SourceSlot(Slot):
    """Stands for an input stream.

    Args:
        number: Its number among the sources of its pipeline.
        make: Makes the stream from the database of the pipeline's work, the
            stream's name and where it lies.
        kind: Element type; None for frames.
        label: What errors call the source.
        db: URL of the database that holds the streams, if one does.
        template: Their name there, with ``{stream}`` for what the pipeline calls them.
    """

    number: int
    make: Callable[[str, str, str], StoredStream]
    kind: ScannerTypeInfo | None
    label: str
    db: str | None = None
    template: str = ""

    def name(self) -> str:
        """The template, so that no sink can be given the same."""
        return self.template or self.label

    def storage(self) -> StorageBackend:
        """The database."""
        return super().storage() if self.db is None else NamedStorage(self.db)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SourceSlot) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)


class SinkSlot(Slot):
    """Stands for an output stream.

    Args:
        claims: Has its database and its name, with ``{stream}`` for the source's.
        video: Whether it holds frames.
    """

    def __init__(self, claims: Claims, video: bool) -> None:
        self.claims = claims
        self.db = claims.db
        self.template = claims.template
        self.video = video

    def name(self) -> str:
        """The template."""
        return self.template

    def storage(self) -> StorageBackend:
        """The database."""
        return NamedStorage(self.db)

    def make(self, name: str) -> NamedStream:
        """The output for the source's stream of that name."""
        kind = NamedVideoStream if self.video else NamedStream
        return kind(NamedStorage(self.db), self.template.replace(STREAM, name))


@dataclass(eq=False)
class InternalSlot(Slot):
    """Stands for a stream between phases.

    Args:
        number: Its number in the graph.
        trusted: Whether what it holds may be unpickled.
    """

    number: int
    trusted: bool = True

    def name(self) -> str:
        """For errors."""
        return f"internal {self.number}"

    def make(self, database: str) -> NamedStream:
        """The stream in the database that one job has for such streams."""
        return NamedStream(NamedStorage(database, self.trusted), str(self.number))


@dataclass(eq=False)
class BranchSlot(Slot):
    """Where rows leave the graph for the rest of the pipeline.

    Args:
        tag: Of the branch.
        label: What errors call it.
        kind: Element type; None for frames.
        sliced: Whether keys tell the slice group.
        nulls: Whether the type of the elements allows None.
        stream: Name of the stream that the rows are from; empty in the graph that
            all jobs share.
    """

    tag: str
    label: str
    kind: ScannerTypeInfo | None
    sliced: bool
    nulls: bool
    stream: str = ""

    def name(self) -> str:
        """The tag; there is one a branch."""
        return self.tag

    def make(self, name: str) -> BranchSlot:
        """The slot of one job."""
        return replace(self, stream=name)

    def segment_writer(self, segment: SegmentTask) -> BranchRows:
        """Holds rows until the task hands them on."""
        return BranchRows(self)

    def publish(self, publication: Publication) -> None:
        """Nothing is stored."""


Held = tuple[int, Any, float]
"""Row, element and time of a row that leaves."""


class BranchRows(SegmentWriter):
    """Rows on their way out of the graph.

    Args:
        slot: Of their branch.
        layout: Slice groups of the rows, for :meth:`hand_on`.

    Attributes:
        tag: Of the branch.
        skip: Rows that an earlier attempt at the task has handed on.
    """

    def __init__(self, slot: BranchSlot, layout: Layout | None = None) -> None:
        self.tag = slot.tag
        self.skip = 0
        self._layout = layout
        self._slot = slot
        self._open = leaving(slot.kind)
        self._held: list[Held] = []

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See :meth:`SegmentWriter.write`."""
        done = min(self.skip, len(elements))
        self.skip -= done
        for index in range(done, len(elements)):
            self._held.append(
                (first_row + index, elements[index], float(seconds[index]))
            )

    def take(self) -> list[Held]:
        """What was written since."""
        held, self._held = self._held, []
        return held

    def hand_on(self, held: Sequence[Held]) -> Iterator[tuple[FrameKey, Any]]:
        """Rows as the rest of the pipeline gets them.

        Args:
            held: What :meth:`take` returned, here or in another process.
        """
        if not held:
            return
        rows = np.array([row for row, _, _ in held], dtype=np.int64)
        groups, starts = np.zeros_like(rows), np.zeros_like(rows)
        if self._slot.sliced and self._layout is not None:
            groups, (starts, _) = self._layout.group_of(rows), self._layout.bounds(rows)
        in_groups = zip(groups.tolist(), (rows - starts).tolist(), held, strict=True)
        for group, in_group, (row, element, seconds) in in_groups:
            key = FrameKey(self._slot.stream, group, in_group, seconds)
            yield key, self._value(row, element)

    def _value(self, row: int, element: Any) -> Any:
        slot = self._slot
        if not isinstance(element, NullElement):
            return self._open(element)
        if slot.nulls:
            return None
        plain = slot.kind is not None and slot.kind.type in (int, float, bool, str)
        hint = f"{slot.kind.name} | None" if slot.kind and plain else "Any"
        raise ElementTypeError(
            f"row {row} of {slot.label} is null, which its type does not allow: add "
            f".with_output_types(tuple[FrameKey, {hint}]) to the transform"
        )

    def finish(self) -> Record:
        """See :meth:`SegmentWriter.finish`."""
        return {}

    def abort(self) -> None:
        """See :meth:`SegmentWriter.abort`."""
        self._held.clear()
