"""What a worker process knows of a run: loaded once, used by all its tasks."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from beam_scanner.engine.instance_pool import KernelPool
from beam_scanner.errors import ElementTypeError, GraphError
from beam_scanner.graph.nodes import InputNode, Node, OpNode, OutputNode, topological
from beam_scanner.planner.bound import BoundGraph, SourceInfo, bind
from beam_scanner.planner.needs import all_needs
from beam_scanner.planner.phases import INTERNAL, Family
from beam_scanner.planner.tasks import work_packet
from beam_scanner.run.jobs import stream_fingerprint
from beam_scanner.run.run_files import (
    JOBS_A_FILE,
    JobFiles,
    JobRecord,
    RunFiles,
    RunSettings,
)
from beam_scanner.run.slots import LeavingSlot, Slot
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.storage.trust import check_no_pickle, check_plain
from beam_scanner.stores.object_store import ObjectStore, open_store
from beam_scanner.types.element_types import FrameType, ScannerTypeInfo, get_type_info

JobId = Any
"""What stands for a job between the stages: hashable, with a deterministic coder."""

_LOOK_SECONDS = 1.0
"""How often a process looks whether the others have stopped the run."""

_JOBS_KEPT = 32
_JOB_FILES_KEPT = 4


def source_info(stream: StoredStream, reader: RowReader) -> SourceInfo:
    """What planning must know of a stream that is open."""
    return SourceInfo(
        stream.name(),
        len(reader),
        reader.entries,
        reader.frame_bytes,
        reader.entry_bytes,
    )


def bind_families(families: Sequence[Family], job: int) -> list[BoundGraph]:
    """Binds one job's graph of each family, opening its streams for their lengths.

    Streams between phases need not exist: their lengths follow from the graph.

    Args:
        families: All families of the run, by phase.
        job: Which job of their nodes.

    Raises:
        ScannerException: As ``bind``.
    """
    made: dict[int, SourceInfo] = {}
    graphs = []
    for family in families:
        graph = _bind_family(family, job, made)
        for output, number in zip(graph.outputs, family.numbers, strict=True):
            if number == INTERNAL:
                stream = output.node.streams[job]
                made[id(stream)] = SourceInfo(stream.name(), output.rows)
        graphs.append(graph)
    return graphs


def _bind_family(
    family: Family, job: int, made: Mapping[int, SourceInfo]
) -> BoundGraph:
    nodes = topological(family.outputs)
    check_trust(nodes, job)
    sources: dict[int, SourceInfo] = {}
    for node in nodes:
        if isinstance(node, InputNode):
            stream = node.streams[job]
            info = made.get(id(stream))
            if info is None:
                with stream.reader() as reader:
                    info = source_info(stream, reader)
            sources[id(node)] = info
    return bind(nodes, job, sources)


def check_trust(nodes: Sequence[Node], job: int) -> None:
    """Refuses a graph that would unpickle what an untrusted database holds.

    Args:
        nodes: Of the graph.
        job: Which job of its inputs.

    Raises:
        UntrustedDataError: Names the stream and the type.
    """
    doubtful: dict[int, StoredStream] = {}
    for node in nodes:
        if isinstance(node, InputNode):
            stream = node.streams[job]
            if not isinstance(stream, Slot) and not stream.storage().trusted:
                doubtful[id(node)] = stream
        for place, column in enumerate(node.inputs):
            found = doubtful.get(id(column.node))
            if found is None:
                continue
            check_no_pickle(column.type, found.name())
            if isinstance(node, OpNode):
                spec = node.spec
                wanted = spec.inputs[0 if spec.variadic else place].type
                if wanted is not None and wanted.type is not Any:
                    check_no_pickle(wanted, found.name())
                elif wanted is not None and column.type is not None:
                    check_plain(column.type, found.name())
            else:
                doubtful[id(node)] = found


def check_rows(
    families: Sequence[Family], graphs: Sequence[BoundGraph], job: int
) -> None:
    """Refuses a job whose outputs differ in rows.

    Raises:
        GraphError: Names two of them and their rows.
    """
    (first, length), *others = [
        (output.node.streams[job].name(), output.rows)
        for family, graph in zip(families, graphs, strict=True)
        for output, number in zip(graph.outputs, family.numbers, strict=True)
        if number != INTERNAL
    ]
    for name, rows in others:
        if rows != length:
            raise GraphError(
                f"outputs of one run must have equal numbers of rows: {first!r} would "
                f"have {length}, {name!r} {rows}; run them one after the other"
            )


def check_types(families: Sequence[Family]) -> None:
    """Refuses a job with an input of another type than that of the first job.

    Args:
        families: Of the job.

    Raises:
        ElementTypeError: Names the stream, its type and what the graph reads.
    """
    outputs = [output for family in families for output in family.outputs]
    made = {id(output.streams[0]) for output in outputs}
    for node in topological(outputs):
        for column in node.inputs:
            if isinstance(column.node, InputNode):
                stream = column.node.streams[0]
                if isinstance(stream, NamedStream) and id(stream) not in made:
                    _check_type(stream, column.type)


def _check_type(stream: NamedStream, kind: ScannerTypeInfo | None) -> None:
    found = stream.descriptor()
    # By name: a worker need not know the type.
    frames, unknown = get_type_info(FrameType), get_type_info(bytes)
    holds = found.type_name or unknown.name
    if found.kind == "video":
        holds = frames.name
    wanted = (kind or frames).name
    if holds != wanted:
        raise ElementTypeError(
            "the streams of one io.Input must hold one type: the first holds "
            f"{wanted}, {stream.name()!r} holds {holds}"
        )


@dataclass
class JobState:
    """One job as a worker sees it."""

    record: JobRecord
    families: list[Family]
    files: JobFiles
    bound: list[BoundGraph] = field(default_factory=list)
    waiting: dict[int, int] = field(default_factory=dict)
    """For each family the last task that was not done when it was looked for."""

    @property
    def cached(self) -> bool:
        """Whether the outputs were there before the run: nothing is to do."""
        return not self.record.token

    def graph(self, family: int) -> BoundGraph:
        """The bound graph of one family."""
        if not self.bound:
            self.bound = bind_families(self.families, 0)
        return self.bound[family]

    def check(self, equal_rows: bool) -> None:
        """Refuses what cannot be run.

        Args:
            equal_rows: Also outputs that differ in rows, and inputs of another type
                than the first job's: what a driver checks if there are few jobs.

        Raises:
            GraphError: A needed row does not exist, or outputs differ.
            ElementTypeError: An input is of another type.
        """
        self.graph(0)
        if equal_rows:
            check_types(self.families)
            check_rows(self.families, self.bound, 0)
        for graph in self.bound:
            all_needs(graph)

    def leaves(self, family: int) -> bool:
        """Whether rows of a family leave for the rest of the pipeline."""
        return any(
            isinstance(output.streams[0], LeavingSlot)
            for output in self.families[family].outputs
        )

    def stores(self, family: int) -> bool:
        """Whether a family writes anything."""
        return not all(
            isinstance(output.streams[0], LeavingSlot)
            for output in self.families[family].outputs
        )

    def work_packet(self) -> int:
        """Rows to handle at a time, where the run does not say."""
        nodes = topological([o for family in self.families for o in family.outputs])
        inputs = [node.streams[0] for node in nodes if isinstance(node, InputNode)]
        return work_packet(s.estimate_size() for s in inputs if _is_there(s))

    @property
    def numbered_outputs(self) -> list[tuple[int, OutputNode]]:
        """The outputs that the user asked for, with their numbers in the run."""
        return [
            (number, output)
            for family in self.families
            for output, number in zip(family.outputs, family.numbers, strict=True)
            if number != INTERNAL
        ]

    def fingerprint(self, number: int) -> str:
        """That of an output of the run; of streams between phases that of the job."""
        if number == INTERNAL:
            return self.record.fingerprint
        return self.record.outputs[number]

    def seen(self, number: int) -> str:
        """The generation that an output of the run may replace, '' for none."""
        return self.record.seen[number]

    @property
    def source(self) -> str:
        """Fingerprint of the first input: what outputs are said to be made from."""
        nodes = topological([o for family in self.families for o in family.outputs])
        first = next(node for node in nodes if isinstance(node, InputNode))
        return stream_fingerprint(first.streams[0])


def _is_there(stream: StoredStream) -> bool:
    """Whether there is a stream; of ours without a look at its files."""
    if isinstance(stream, NamedStream):
        return stream.try_descriptor() is not None
    return stream.committed()


class RunContext:
    """A run as a worker process sees it.

    Args:
        store: The database that keeps its work.
        files: Of the run.
        settings: How its jobs are to be run.
        record: Finds what one job has of its own.
    """

    def __init__(
        self,
        store: ObjectStore,
        files: RunFiles,
        settings: RunSettings,
        record: Callable[[JobId], JobRecord],
    ) -> None:
        self.store = store
        self.files = files
        self.settings = settings
        self.kernels = KernelPool(files.run)
        self._record = record
        self._lock = threading.Lock()
        self._jobs: OrderedDict[JobId, JobState] = OrderedDict()
        self._stopped: int | None = None
        self._looked = (-1, 0.0)

    def why_stopped(self) -> str:
        """Why no more tasks are to be run; empty if they are.

        Cheap: storage is asked once a second, and after each failure found here.
        """
        most = self.settings.max_failures
        if most is None:
            return ""
        marked, when = self._looked
        due = marked != self.files.marked or time.monotonic() > when + _LOOK_SECONDS
        if self._stopped is None and due:
            self._looked = (self.files.marked, time.monotonic())
            failed = self.settings.failed + self.files.failed_jobs()
            if failed > most:
                self.files.stop(failed)
            self._stopped = self.files.stopped_at()
        if self._stopped is None:
            return ""
        of = f" of {self.settings.jobs}" if self.settings.jobs else ""
        return (
            f"not run: stopped after {self._stopped}{of} streams failed "
            f"(max_failures={most})"
        )

    def job(self, job: JobId) -> JobState:
        """One job of the run."""
        with self._lock:
            if job not in self._jobs:
                record = self._record(job)
                self._jobs[job] = JobState(
                    record,
                    self.settings.graph.job(record.own),
                    record.files(self.store, self.files.run),
                )
            return _recent(self._jobs, job, _JOBS_KEPT)


class RunSource(Protocol):
    """Where workers find a run; small and picklable.

    Attributes:
        run: The run's name.
        part: Which kernels of the run it has, if not all.
    """

    @property
    def run(self) -> str:
        """See the class."""

    @property
    def part(self) -> str:
        """See the class."""

    def of_phase(self, phase: int) -> RunSource:
        """The source for the stage that runs a phase, with the kernels for it."""

    def open(self) -> RunContext:
        """Loads the run."""

    def homes(self) -> list[str]:
        """URLs of the databases that keep what failed."""


@dataclass(frozen=True)
class StoredRun:
    """A run whose driver has written it to storage; its jobs are numbers.

    Attributes:
        db: URL of the database.
        run: Name of the run.
        digest: Of what was written for it; see ``RunFiles.write``.
    """

    db: str
    run: str
    digest: str = ""

    @property
    def part(self) -> str:
        """What is stored has all kernels."""
        return "all"

    def of_phase(self, phase: int) -> StoredRun:
        """See :class:`RunSource`."""
        return self

    def homes(self) -> list[str]:
        """Its failures are kept in the database."""
        return [self.db]

    def open(self) -> RunContext:
        """See :class:`RunSource`."""
        store = open_store(self.db)
        files = RunFiles(store, self.run)
        settings = files.settings(self.digest)
        kept: OrderedDict[int, list[JobRecord]] = OrderedDict()

        def record(job: JobId) -> JobRecord:
            file, place = divmod(int(job), JOBS_A_FILE)
            if file not in kept:
                kept[file] = files.jobs(file, settings.digests)
            return _recent(kept, file, _JOB_FILES_KEPT)[place]

        return RunContext(store, files, settings, record)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _recent(kept: OrderedDict[_K, _V], key: _K, most: int) -> _V:
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
    return kept[key]


class _Process:
    token = uuid.uuid4().hex


def process_token() -> str:
    """What tells this process from all others, its forks included."""
    return _Process.token


def _after_fork() -> None:
    _Process.token = uuid.uuid4().hex


os.register_at_fork(after_in_child=_after_fork)

_contexts: dict[tuple[str, str], RunContext] = {}
_contexts_lock = threading.Lock()


def run_context(source: RunSource) -> RunContext:
    """The context of a run in this process, made at its first use."""
    key = source.run, source.part
    with _contexts_lock:
        if key not in _contexts:
            context = source.open()
            for (run, _), other in _contexts.items():
                if run == source.run:
                    # They count the failures that this process has found.
                    context.files = other.files
            _contexts[key] = context
        return _contexts[key]


def close_contexts(run: str | None = None) -> None:
    """Closes the kernels of a run (of all runs for None) in this process."""
    with _contexts_lock:
        gone = [key for key in _contexts if run is None or key[0] == run]
        closed = [_contexts.pop(key) for key in gone]
    for context in closed:
        context.kernels.close()
