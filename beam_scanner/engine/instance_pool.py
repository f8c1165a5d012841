"""Kernel instances, kept between tasks of one worker process."""

from __future__ import annotations

import fcntl
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from beam_scanner.engine.instance import KernelInstance
from beam_scanner.engine.position import CLOSE, SETUP, Position
from beam_scanner.errors import StorageError
from beam_scanner.graph.nodes import OpNode
from beam_scanner.measure.spans import span
from beam_scanner.stores.private_folder import private_folder


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
        # Models, for as long as the run: a kernel whose task has failed is closed.
        self._kept: list[Any] = []

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
            position: Where kernels that are set up or closed are noted.

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
            self._kept.clear()
        for instances in free.values():
            for instance in instances:
                _close_quietly(instance)

    def _take(self, graph: int, number: int, node: OpNode) -> KernelInstance:
        with self._lock:
            free = self._free[graph, number]
            if free:
                return free.pop()
        instance = KernelInstance(node, number)
        name = node.spec.name
        with span(f"create:{name}"):
            instance.create()
        try:
            if instance.fetches:
                with span(f"fetch_resources:{name}"):
                    _once_per_machine(self.run, f"{graph}-{number}", instance)
            with span(f"setup:{name}"):
                instance.setup()
        except BaseException:
            _close_quietly(instance)
            raise
        self._keep(getattr(instance.kernel, "kept_for_run", None))
        return instance

    def _keep(self, value: Any) -> None:
        with self._lock:
            if value is not None and not any(value is kept for kept in self._kept):
                self._kept.append(value)


def _once_per_machine(run: str, op: str, instance: KernelInstance) -> None:
    """Fetches resources unless another process of this machine has done so.

    The lock is the operating system's, so a process that dies lets it go.
    """
    with private_folder() as folder, folder.file(f"{run}-{op}.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = f"{run}-{op}.done"
        if not folder.has(done):
            instance.fetch()
            folder.file(done).close()


def forget_fetched(run: str) -> None:
    """Removes what a run that is over left on this machine."""
    # Where there can be no folder, there is nothing in it.
    with suppress(StorageError), private_folder() as folder:
        for name in folder.names():
            if name.startswith(f"{run}-"):
                folder.remove(name)


def _close_quietly(instance: KernelInstance) -> None:
    """A kernel that fails to close must not hide why its task failed."""
    try:
        instance.close()
    except Exception:
        logging.getLogger(__name__).warning(
            "closing op %s failed", instance.spec.name, exc_info=True
        )
