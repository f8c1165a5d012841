"""The commands ``jobs`` and ``cancel``: runs that go on, in whatever process."""

from __future__ import annotations

import argparse
import time

from beam_scanner.cli.args import PROGRAM
from beam_scanner.cli.database import open_database
from beam_scanner.cli.output import put
from beam_scanner.errors import ArgumentError
from beam_scanner.run.active_runs import (
    ActiveRun,
    RunWatch,
    active_runs,
    find_active,
)
from beam_scanner.run.follow import cancel, status_of
from beam_scanner.run.profiler import has_profile
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.text.printable import printable
from beam_scanner.text.tables import aligned


def jobs_command(args: argparse.Namespace) -> None:
    """Prints a line for each run that goes on, or has died."""
    store = open_database(args.database).store()
    runs = [run for run in active_runs(store) if not has_profile(store, run.number)]
    if not runs:
        put("no run of this database goes on")
        return
    table: list[tuple[object, ...]] = [
        ("ID", "STATE", "TASKS", "STREAMS", "FAILED", "SINCE", "WHERE")
    ]
    dead = [RunWatch(store, run, waits=False) for run in runs]
    for run, watch in zip(runs, dead, strict=True):
        table.append(_line(store, run, watch.is_dead()))
    put("\n".join(aligned(table, right=[0, 2, 3, 4])))
    for watch in dead:
        if watch.is_dead():
            put(printable(str(watch.death())))


def _line(store: ObjectStore, run: ActiveRun, is_dead: bool) -> tuple[object, ...]:
    found = status_of(store, run)
    tasks = f"{found.tasks_done} of {found.total_tasks}" if found.total_tasks else "-"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
    where = f"job {run.service['job']}" if run.service else run.worker
    return (
        run.number,
        "died" if is_dead else "runs",
        tasks,
        f"{found.jobs_done} of {found.total_jobs}",
        found.jobs_failed,
        since,
        printable(where),
    )


def cancel_command(args: argparse.Namespace) -> None:
    """Ends a run, and waits until it has ended.

    Raises:
        ArgumentError: There is no such run, or it has ended.
    """
    storage = open_database(args.database)
    store = storage.store()
    if find_active(store, args.run) is None and not has_profile(store, args.run):
        raise ArgumentError(
            f"there is no run {args.run}; '{PROGRAM} jobs {args.database}' lists those "
            "that go on"
        )
    cancel(storage, args.run)
    put(f"run {args.run} has ended; the same run again goes on where it was")
