"""How every job of a run is to be run."""

from __future__ import annotations

from dataclasses import dataclass

from beam_scanner.run.options import Limits
from beam_scanner.run.shared_graph import SharedGraph


@dataclass(frozen=True)
class RunSettings:
    """How every job of a run is to be run.

    Attributes:
        graph: What the jobs share.
        work_packet: Rows handled at a time; 0 to choose.
        io_packet: Output rows a task, about; 0 to choose.
        checked: Whether every job was bound before the run began.
        equal_rows: Whether all outputs of a job must have equally many rows.
        detached: Whether no driver waits for the end.
        numbered: Whether it has a number, by which it can be followed and cancelled.
        limits: Of each task.
        max_failures: How many jobs may fail before the others are not run; None for all.
        jobs: How many jobs there are; 0 if unknown.
        failed: How many of them had failed before.
        here: ``process_token`` of the process that may run tasks itself; all others
            run them in a child process, which may die.
        digests: Of the files of the jobs.
        decoder: Where videos are decoded; see ``PerfParams``.
        file_systems: Those that users have registered with Beam, as
            ``pack_file_systems`` gives them.
    """

    graph: SharedGraph
    work_packet: int = 0
    io_packet: int = 0
    checked: bool = False
    equal_rows: bool = True
    detached: bool = False
    numbered: bool = False
    limits: Limits = Limits()  # noqa: RUF009
    max_failures: int | None = None
    jobs: int = 0
    failed: int = 0
    here: str = ""
    digests: tuple[str, ...] = ()
    file_systems: bytes = b""
    decoder: str = "cpu"


def reason_stopped(failed: int | str, jobs: int, most: int | None) -> str:
    """Why jobs are not run any more.

    Args:
        failed: How many have failed, or that the run was cancelled.
        jobs: How many there are; 0 if unknown.
        most: How many may fail.
    """
    if isinstance(failed, str):
        return f"not run: the run was {failed}"
    of = f" of {jobs}" if jobs else ""
    return f"not run: stopped after {failed}{of} streams failed (max_failures={most})"
