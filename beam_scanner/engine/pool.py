"""Kernel instances, kept between tasks of one worker process."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beam_scanner.engine.instance import KernelInstance
from beam_scanner.engine.position import CLOSE, SETUP, Position
from beam_scanner.graph import OpNode


class KernelPool:
    """Gives each task its own instance of every kernel, used ones first.

    Args:
        run: Token of the run; ``fetch_resources`` happens once for each run, op and
            machine.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self._free: dict[tuple[int, int], list[KernelInstance]] = defaultdict(list)
        self._lock = threading.Lock()

    @contextmanager
    def borrow(
        self,
        nodes: dict[int, OpNode],
        graph: int = 0,
        position: Position | None = None,
    ) -> Iterator[dict[int, KernelInstance]]:
        """Lends an instance for each op node of a graph.

        An instance whose task failed is closed and not used again.

        Args:
            nodes: Op nodes by their number in the graph.
            graph: Which graph of the run.
            position: Is told of kernels that are set up or closed.

        Yields:
            The instances by the same numbers.
        """
        taken: dict[int, KernelInstance] = {}
        position = position or Position()
        try:
            for number, node in nodes.items():
                with position.work.doing(SETUP, node.spec.name):
                    taken[number] = self._take(graph, number, node)
                position.leave_if_forked()
                taken[number].begin_task()
            yield taken
        except BaseException:
            position.leave_if_forked()
            for instance in taken.values():
                with position.work.doing(CLOSE, instance.spec.name):
                    _close_quietly(instance)
            raise
        with self._lock:
            for number, instance in taken.items():
                self._free[graph, number].append(instance)

    def close(self) -> None:
        """Closes every instance that no task is using."""
        with self._lock:
            free, self._free = self._free, defaultdict(list)
        for instances in free.values():
            for instance in instances:
                _close_quietly(instance)

    def _take(self, graph: int, number: int, node: OpNode) -> KernelInstance:
        with self._lock:
            free = self._free[graph, number]
            if free:
                return free.pop()
        instance = KernelInstance(node, number)
        instance.create()
        try:
            if instance.fetches:
                _once_per_machine(self.run, f"{graph}-{number}", instance)
            instance.setup()
        except BaseException:
            _close_quietly(instance)
            raise
        return instance


def _marks() -> Path:
    """Where this machine's processes tell each other what was fetched."""
    folder = Path(tempfile.gettempdir()) / f"beam_scanner-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _once_per_machine(run: str, op: str, instance: KernelInstance) -> None:
    """Fetches resources unless another process of this machine has done so.

    The lock is the operating system's, so a process that dies lets it go.
    """
    folder = _marks()
    with open(folder / f"{run}-{op}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / f"{run}-{op}.done"
        if not done.exists():
            instance.fetch()
            done.touch()


def forget_fetched(run: str) -> None:
    """Removes what a run that is over left on this machine."""
    for mark in _marks().glob(f"{run}-*"):
        mark.unlink(missing_ok=True)


def _close_quietly(instance: KernelInstance) -> None:
    """A kernel that fails to close must not hide why its task failed."""
    try:
        instance.close()
    except Exception:
        logging.getLogger(__name__).warning(
            "closing op %s failed", instance.spec.name, exc_info=True
        )
