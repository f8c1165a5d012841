"""Videos become tables: ``Client.ingest_videos``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.errors import ArgumentError, ScannerException, StreamExistsError
from beam_scanner.run.ingest import Ingest, ingest_all
from beam_scanner.scannerpy.table import Tables
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.text.printable import printable


def ingest_videos(
    videos: Sequence[tuple[str, str]],
    storage: NamedStorage,
    options: PipelineOptions,
    ingest: Ingest,
    damage: str = "strict",
) -> tuple[list[str], list[tuple[str, str]]]:
    """Makes streams of videos; see ``Client.ingest_videos``.

    Returns:
        Names of the good ones, and ``(path, reason)`` of the others.
    """
    if not isinstance(videos, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in videos
    ):
        raise ArgumentError(
            "videos must be a list of pairs of a table name and a path, such as "
            f"[('film', 'film.mp4')]; got {videos!r}"
        )
    if not videos:
        raise ArgumentError("Must ingest at least one video.")
    names = [name for name, _ in videos]
    twice = next((name for name, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise ArgumentError(
            f"Duplicate table name {printable(twice)} in ingest video set."
        )
    tables = Tables(storage)
    taken = [name for name in names if tables.has(name)]
    if taken and not ingest.replace:
        raise StreamExistsError(
            f"Attempted to ingest over existing table {printable(taken[0])}; force=True replaces it"
        )
    streams, reasons = [], {}
    for name, path in videos:
        try:
            streams.append(NamedVideoStream(storage, name, path=path, damage=damage))
        except ArgumentError as error:
            reasons[name] = str(error)
    reasons |= ingest_all(streams, ingest, storage, options)
    # A table is replaced only by a video that can be read.
    tables.replaced([name for name in taken if name not in reasons])
    failures = [(path, reasons[name]) for name, path in videos if name in reasons]
    if len(failures) == len(videos):
        raise ScannerException(
            "All videos failed to ingest properly: "
            + "; ".join(printable(f"{path}: {reason}") for path, reason in failures)
        )
    return [name for name in names if name not in reasons], failures
