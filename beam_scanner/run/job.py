"""One job of a run: what is stored and sent of it, and its graph once it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from beam_scanner.errors import StorageError
from beam_scanner.graph.nodes import InputNode, OutputNode, topological
from beam_scanner.planner.bound import BoundGraph
from beam_scanner.planner.cut_tasks import TaskCuts, cut_tasks, work_packet
from beam_scanner.planner.phases import INTERNAL, Family
from beam_scanner.run.bind_job import bind_families, check_rows, check_types
from beam_scanner.run.existing_results import is_spent
from beam_scanner.run.fingerprints import stream_fingerprint
from beam_scanner.run.job_files import JobFiles
from beam_scanner.run.shared_graph import SharedGraph
from beam_scanner.run.stream_slots import BranchSlot, InternalSlot
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.stores.object_store import ObjectStore

JobId = Any
"""What stands for a job between the stages: hashable, with a deterministic coder."""


class JobRecord(NamedTuple):
    """What differs from job to job of a run; this is stored, or sent.

    Attributes:
        name: Name of its first output.
        values: See ``shared_graph.values_of``.
        fingerprint: Of the whole job.
        outputs: Fingerprint of each output of the run.
        seen: For each output of the run the generation that it may replace, '' for
            none: what was there when the run began.
        token: Generation of its streams, and the mark of its unfinished work; empty
            for a job whose outputs are there already.
        mark: Unique among the jobs of the run.
        leaves: Whether rows leave, so that its files are the run's own.
        inputs: For each value that is an input in a database what identified its rows
            when the run began, '' for other values: see :func:`pinned`.
    """

    name: str
    values: Sequence[Any]
    fingerprint: str
    outputs: tuple[str, ...]
    seen: tuple[str, ...] = ()
    token: str = ""
    mark: str = ""
    leaves: bool = False
    inputs: tuple[str, ...] = ()

    def files(self, store: ObjectStore, run: str) -> JobFiles:
        """What the job keeps in storage, as a job of this run."""
        if self.leaves:
            return JobFiles(store, self.mark, self.token, run)
        return JobFiles(store, self.fingerprint, self.token)


def pinned(values: Sequence[Any], read: Mapping[int, str]) -> tuple[str, ...]:
    """What identifies the rows of those values that are inputs in a database.

    Args:
        values: Of a job.
        read: What ``Fingerprints.of_inputs`` returned.
    """
    return tuple(
        read.get(id(value), "") if isinstance(value, NamedStream) else ""
        for value in values
    )


class Job:
    """One job, whose graph is made and bound when it is first needed.

    Args:
        record: Its record.
        graph: What it shares with all jobs.
        store: The database that keeps its work.
        run: Name of its run; '' as long as it has none.
        number: Its index in the lists of streams of the graph that it was made from.
        decoder: Where its videos are decoded.

    Attributes:
        files: What it keeps while it is not done.
        waiting: For each family the last task that was not done when it was looked for.
        published: (family, output) that are known to be published.
    """

    def __init__(
        self,
        record: JobRecord,
        graph: SharedGraph,
        store: ObjectStore,
        run: str = "",
        number: int = 0,
        decoder: str = "cpu",
    ) -> None:
        self.record = record
        self._decoder = decoder
        self.number = number
        self.waiting: dict[int, int] = {}
        self.published: set[tuple[int, int]] = set()
        self.files = record.files(store, run)
        self._shared = graph
        self._url = store.url
        self._pinned = {
            id(value): read
            for value, read in zip(record.values, record.inputs, strict=False)
            if read
        }
        self._families: list[Family] = []
        self._bound: list[BoundGraph] = []
        self._cuts: dict[int, TaskCuts] = {}

    def begin(self) -> None:
        """Begins the job in storage, or joins a run that has begun it."""
        token = self.files.begin(self.record.seen, self._is_spent)
        self.record = self.record._replace(token=token)

    def _is_spent(self, token: str) -> bool:
        wanted = [self.fingerprint(number) for number, _ in self.numbered_outputs]
        return is_spent(self.files, self.output_streams, wanted, token)

    @property
    def cached(self) -> bool:
        """Whether the outputs were there before the run: nothing is to do."""
        return not self.record.token

    @property
    def families(self) -> list[Family]:
        """Its graph in phases; nodes have one stream or value each, at index 0."""
        if not self._families:
            database = f"{self._url}/{self.files.internal}"
            # One object wherever it stands: so binding knows a stream that an earlier
            # phase makes.
            between: dict[int, NamedStream] = {}
            for value in self.record.values:
                if isinstance(value, InternalSlot):
                    between.setdefault(value.number, value.make(database))
            self._families = self._shared.job(
                [
                    between[value.number] if isinstance(value, InternalSlot) else value
                    for value in self.record.values
                ]
            )
        return self._families

    @property
    def graphs(self) -> list[BoundGraph]:
        """The bound graph of each family."""
        # Late: it opens every input, which the commit stage has no need of.
        if not self._bound:
            self._bound = bind_families(self.families, self._decoder, self.open_input)
        return self._bound

    def open_input(self, stream: StoredStream) -> RowReader:
        """Opens an input, which must be the same as when the run began.

        Else some tasks would read the old rows and others the new ones.

        Raises:
            StorageError: It was replaced since.
        """
        reader = stream.reader()
        wanted = self._pinned.get(id(stream))
        # After opening: a stream that was replaced never becomes the same again.
        if wanted is not None and stream_fingerprint(stream) != wanted:
            reader.close()
            raise StorageError(
                f"input stream {stream.name()!r} was replaced after this run had begun: "
                "run it again"
            )
        return reader

    def cuts(self, family: int, io_packet: int) -> TaskCuts:
        """How a family is cut into tasks.

        Args:
            family: Its number.
            io_packet: Output rows a task, about; 0 to choose.
        """
        if family not in self._cuts:
            self._cuts[family] = cut_tasks(self.graphs[family], io_packet)
        return self._cuts[family]

    def check(self, equal_rows: bool = True, equal_types: bool = False) -> None:
        """Refuses what cannot be run.

        Args:
            equal_rows: Also outputs that differ in rows.
            equal_types: Also inputs of another type than the first job's.

        Raises:
            GraphError: A needed row does not exist, or outputs differ.
            ElementTypeError: An input is of another type.
        """
        graphs = self.graphs
        if equal_types:
            check_types(self.families)
        if equal_rows:
            check_rows(self.families, graphs)
        for graph in graphs:
            graph.all_needs()

    def leaves(self, family: int) -> bool:
        """Whether rows of a family leave for the rest of the pipeline."""
        return any(isinstance(stream, BranchSlot) for stream in self._made_by(family))

    def stores(self, family: int) -> bool:
        """Whether a family writes anything."""
        return not all(
            isinstance(stream, BranchSlot) for stream in self._made_by(family)
        )

    def _made_by(self, family: int) -> list[StoredStream]:
        return [output.streams[0] for output in self.families[family].outputs]

    def work_packet(self) -> int:
        """Rows to handle at a time, where the run does not say."""
        return work_packet(s.estimate_size() for s in self._inputs() if _is_there(s))

    @property
    def source(self) -> str:
        """Fingerprint of the first input: what outputs are said to be made from."""
        first = self._inputs()[0]
        return self._pinned.get(id(first)) or stream_fingerprint(first)

    def _inputs(self) -> list[StoredStream]:
        nodes = topological([o for family in self.families for o in family.outputs])
        return [node.streams[0] for node in nodes if isinstance(node, InputNode)]

    @property
    def numbered_outputs(self) -> list[tuple[int, OutputNode]]:
        """The outputs that the user asked for, with their numbers in the run."""
        return [
            (number, output)
            for family in self.families
            for output, number in family.numbered()
            if number != INTERNAL
        ]

    @property
    def output_streams(self) -> list[StoredStream]:
        """What it makes for the user."""
        return [output.streams[0] for _, output in self.numbered_outputs]

    def fingerprint(self, number: int) -> str:
        """That of an output of the run; of streams between phases that of the job."""
        if number == INTERNAL:
            return self.record.fingerprint
        return self.record.outputs[number]

    def seen(self, number: int) -> str:
        """The generation that an output of the run may replace, '' for none."""
        return self.record.seen[number]


def _is_there(stream: StoredStream) -> bool:
    """Whether there is a stream; of ours without a look at its files."""
    if isinstance(stream, NamedStream):
        return stream.try_descriptor() is not None
    return stream.committed()
