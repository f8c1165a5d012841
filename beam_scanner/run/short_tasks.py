"""Finds the jobs of a run whose streams are so short that they share a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from beam_scanner.graph.nodes import InputNode, topological
from beam_scanner.planner.cut_tasks import TaskCuts
from beam_scanner.planner.merge_tasks import ShortTask, merge_tasks, short_task
from beam_scanner.run.job import Job
from beam_scanner.storage.streams.named import NamedStream

T = TypeVar("T")


class ShortTasks(Generic[T]):
    """Collects the tasks of jobs that follow one another.

    Args:
        io_packet: Output rows a task, about; 0 to choose.
    """

    def __init__(self, io_packet: int) -> None:
        self._io_packet = io_packet
        self._found: dict[int, list[tuple[T, ShortTask]]] = {}

    def add(self, job: Job, family: int, cuts: TaskCuts, item: T) -> bool:
        """Keeps a task that may share another one, if it may.

        Args:
            job: Its job.
            family: Its family.
            cuts: The tasks of the family.
            item: What stands for the task.

        Returns:
            Whether it was kept.
        """
        if not _is_of_databases(job, family):
            return False
        found = short_task(job.graphs[family], cuts)
        if found is not None:
            self._found.setdefault(family, []).append((item, found))
        return found is not None

    def together(self) -> Iterator[tuple[T, ...]]:
        """What was kept, in order; those in one tuple are one task."""
        for kept in self._found.values():
            short = [each for _, each in kept]
            for group in merge_tasks(short, self._io_packet):
                yield tuple(kept[number][0] for number in group)


def _is_of_databases(job: Job, family: int) -> bool:
    """Whether all that a task reads and writes are streams of databases.

    Of others, which may be of the user's own, nobody knows what else is done to them
    meanwhile; and rows that leave the graph do so stream by stream.
    """
    outputs = job.families[family].outputs
    nodes = topological(outputs)
    streams = [node.streams[0] for node in nodes if isinstance(node, InputNode)]
    streams += [output.streams[0] for output in outputs]
    return all(isinstance(stream, NamedStream) for stream in streams)
