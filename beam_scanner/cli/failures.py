"""The command ``failures``: what failed in the runs of a database, and why."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from beam_scanner.cli.database import open_database
from beam_scanner.cli.output import put
from beam_scanner.errors import ArgumentError, Failure, causes_text
from beam_scanner.storage.failure_files import (
    FailureFile,
    failure_files,
    read_failures,
)
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.text.error_text import one_line
from beam_scanner.text.printable import printable

_LISTED_RUNS = 20
_SHORT = 8
"""Letters of a run's name that are shown, and mostly tell it from all others."""


def failures_command(args: argparse.Namespace) -> None:
    """Prints the runs with failures, and the failures of one of them."""
    store = open_database(args.database).raw_store()
    runs = _runs(store)
    if not runs:
        put("no run of this database has left failures")
        return
    chosen = _chosen(runs, args.run)
    if args.run is None:
        for files in runs[-_LISTED_RUNS:]:
            put(_run_line(store, files))
        if len(runs) > _LISTED_RUNS:
            put(f"... and {len(runs) - _LISTED_RUNS} earlier runs")
        put("")
    put(f"run {chosen[0].run}:")
    if args.all or args.traceback:
        for failure in _failures(store, chosen):
            put(f"  {failure}{_where(failure)}")
            if args.traceback and failure.traceback:
                put(_indented(failure.traceback))
    else:
        put(causes_text(list(_failures(store, chosen))))
    for file in chosen:
        put(f"each one is in {printable(store.describe(file.key))}")


def _runs(store: ObjectStore) -> list[list[FailureFile]]:
    """The files of each run; a pipeline has one for each of its phases."""

    def run(file: FailureFile) -> str:
        return file.run.partition("-")[0]

    found = sorted(failure_files(store), key=lambda file: (run(file), file))
    return sorted(list(files) for _, files in groupby(found, key=run))


def _chosen(runs: Sequence[list[FailureFile]], wanted: str | None) -> list[FailureFile]:
    if wanted is None:
        return runs[-1]
    fitting = [
        files
        for files in runs
        if any(f.run.startswith(wanted) or wanted in f.key for f in files)
    ]
    if len(fitting) != 1:
        what = f"fits {len(fitting)} runs" if fitting else "is not a run with failures"
        known = ", ".join(files[0].run[:_SHORT] for files in runs[-_LISTED_RUNS:])
        raise ArgumentError(f"--run: {wanted!r} {what}; there are {known}")
    return fitting[0]


def _failures(store: ObjectStore, files: Sequence[FailureFile]) -> Iterator[Failure]:
    for file in files:
        yield from read_failures(store, file.key)


def _run_line(store: ObjectStore, files: Sequence[FailureFile]) -> str:
    kinds: Counter[str] = Counter()
    for failure in _failures(store, files):
        kinds[{"row": "row", "skipped": "skipped"}.get(failure.kind, "failed")] += 1
    parts = [
        f"{kinds[kind]} {what}"
        for kind, what in (
            ("failed", "failed"),
            ("skipped", "not run"),
            ("row", "rows null"),
        )
        if kinds[kind]
    ]
    time = datetime.strptime(files[-1].time[:15], "%Y%m%dT%H%M%S")
    return f"{files[0].run[:_SHORT]}  {time:%Y-%m-%d %H:%M:%S} UTC  {', '.join(parts)}"


def _where(failure: Failure) -> str:
    parts = []
    if failure.task is not None:
        rows = (
            f", rows {failure.first_row} to {failure.last_row}"
            if failure.last_row is not None
            else ""
        )
        parts.append(f"task {failure.task}{rows}")
    if failure.attempts > 1:
        parts.append(f"{failure.attempts} attempts")
    if failure.worker:
        parts.append(f"on {one_line(failure.worker)}")
    return f" ({'; '.join(parts)})" if parts else ""


def _indented(text: str) -> str:
    return "\n".join(
        f"    {line}" for line in printable(text, keep="\n\t").rstrip().splitlines()
    )
