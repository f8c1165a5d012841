"""A progress bar fed by manifests: Beam itself says nothing before a run is over."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from beam_scanner.run.prepare import Prepared

POLL_SECONDS = 0.5
_MOST_JOBS_A_POLL = 200
_WIDTH = 80


class Watcher:
    """Draws a bar while it is open, where somebody can see it.

    Args:
        prepared: The run; there is no bar for more jobs than are checked.
        show: Whether to draw at all.
    """

    def __init__(self, prepared: Prepared, show: bool) -> None:
        self._show = show and prepared.checked and _visible()
        self._files = [job.files for job in prepared.jobs]
        self._rows: list[dict[tuple[int, int], int]] = []
        for job in prepared.jobs if self._show else []:
            self._rows.append(
                {
                    (family, task): sum(b - a for a, b in cuts.intervals(task))
                    for family, cuts in enumerate(prepared.cuts(job))
                    for task in range(len(cuts))
                }
            )
        self._total = sum(sum(rows.values()) for rows in self._rows)
        self._done = [0] * len(self._files)
        self._next = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._bar: Any = None

    def __enter__(self) -> Watcher:
        if self._show:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=self._total,
                unit=" rows",
                dynamic_ncols=_knows_its_width(),
                ncols=None if _knows_its_width() else _WIDTH,
            )
            self._thread = threading.Thread(
                target=self._watch, name="progress", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._bar is not None:
            if kind is None:
                self._poll(len(self._files))
            self._bar.close()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._poll(_MOST_JOBS_A_POLL)

    def _poll(self, most: int) -> None:
        """Looks at the next jobs that are not done, and moves the bar."""
        for _ in range(min(most, len(self._files))):
            job = self._next
            self._next = (self._next + 1) % len(self._files)
            rows = self._rows[job]
            if self._done[job] < sum(rows.values()):
                found = self._files[job].manifests()
                self._done[job] = sum(rows.get(task, 0) for task in found)
        self._bar.update(sum(self._done) - self._bar.n)


def _knows_its_width() -> bool:
    """False for terminals, as of containers, that say that they have no columns."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return True


def _visible() -> bool:
    """A terminal, or a notebook."""
    if "ipykernel" in sys.modules:
        return True
    return sys.stderr is not None and sys.stderr.isatty()
