"""Some rows of the streams of a pipeline, computed here to be looked at.

A pipeline knows no stream before it is run: sources say how theirs can be found.
"""

from __future__ import annotations

import tempfile
import uuid
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam

from beam_scanner.elements.hints import unread
from beam_scanner.errors import ArgumentError, StreamNotFoundError
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.run.preview import Preview, columns_of_stream, compute
from beam_scanner.run.stream_slots import SourceSlot
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.runners.start import run_pipeline
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named_video import NamedVideoStorage
from beam_scanner.text.cards import card

Found = list[tuple[str, str]]
"""Names of streams, and where they lie."""

_finders: weakref.WeakKeyDictionary[SourceSlot, Callable[[], Found]]
_finders = weakref.WeakKeyDictionary()
_collected: dict[str, Found] = {}


def can_be_found(slot: SourceSlot, find: Callable[[], Found]) -> None:
    """Notes how the streams of a source are found without its pipeline."""
    _finders[slot] = find


def matches(match: Any) -> Found:
    """What a transform such as ``MatchVideos`` finds, sorted by name."""
    key = uuid.uuid4().hex
    _collected[key] = []

    def build(pipeline: Any) -> None:
        pipeline | match | "Collect" >> beam.Map(_collect, key)

    try:
        # In one process, this one.
        run_pipeline(pipeline_options(["--direct_running_mode=in_memory"]), build)
        return sorted(_collected[key])
    finally:
        del _collected[key]


@unread
def _collect(found: tuple[str, str], key: str) -> None:
    _collected[key].append(found)


def preview_streams(
    column: OpColumn,
    sources: Sequence[SourceSlot],
    rows: Sequence[int] | None,
    source: str | None,
) -> Preview:
    """What ``Streams.preview`` gives."""
    with tempfile.TemporaryDirectory(prefix="preview-") as folder:
        storage = NamedVideoStorage(folder)
        instead = _streams(sources, source, folder)
        columns = columns_of_stream([column], 0, instead)
        return compute(columns, rows, storage, pipeline_options(None))


def _streams(
    sources: Sequence[SourceSlot], source: str | None, db: str
) -> dict[StoredStream, StoredStream]:
    if source is not None:
        # It is its own name, where streams are found by name; else its path.
        return {slot: slot.make(db, source, source) for slot in sources}
    listed = []
    for slot in sources:
        find = _finders.get(slot)
        if find is None:
            raise ArgumentError(
                f"which streams {slot.label} reads is known when the pipeline runs: say "
                "which one to look at, as in preview(source='films/a.mp4')"
            )
        listed.append(dict(find()))
    names = [name for name in listed[0] if all(name in each for each in listed)]
    if not names:
        raise StreamNotFoundError(
            "there is no stream to look at: "
            f"{', '.join(slot.label for slot in sources)} found none of one name"
        )
    return {
        slot: slot.make(db, names[0], found[names[0]])
        for slot, found in zip(sources, listed, strict=True)
    }


def streams_card(column: OpColumn, sources: Sequence[SourceSlot]) -> str:
    """What a notebook shows of the streams of a pipeline, of which none is opened."""
    facts = {
        "rows are": "frames" if column.type is None else column.type.label,
        "read by": ", ".join(slot.label for slot in sources),
        "look": "preview() computes some rows",
    }
    return card(f"Streams: {column.node.label}", facts)
