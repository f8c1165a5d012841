"""Videos become tables: ``Client.ingest_videos``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.errors import ArgumentError, ScannerException, StreamExistsError
from beam_scanner.run.ingest import Ingest, ingest_all
from beam_scanner.scannerpy.table import Tables
from beam_scanner.storage.find import find_files, is_folder
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
    videos, failures = _without_folders(videos)
    if not videos and not failures:
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
    failures += [(path, reasons[name]) for name, path in videos if name in reasons]
    if len(reasons) == len(videos):
        raise ScannerException(
            "All videos failed to ingest properly: "
            + "; ".join(printable(f"{path}: {reason}") for path, reason in failures)
        )
    return [name for name in names if name not in reasons], failures


def _without_folders(
    videos: Sequence[tuple[str, str]],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs with those of its videos in place of each folder, and what failed."""
    pairs: list[tuple[str, str]] = []
    failures: list[tuple[str, str]] = []
    for name, path in videos:
        if not isinstance(path, str | os.PathLike) or not is_folder(os.fspath(path)):
            pairs.append((name, path))
            continue
        found = find_files(os.fspath(path), "search")
        pairs += [(f"{name}/{below}", file) for below, file in found.files]
        failures += [(each.stream, each.reason) for each in found.failures]
        if not found.files:
            reason = f"there is no video below the folder {os.fspath(path)!r}"
            failures.append((os.fspath(path), reason))
    return pairs, failures
