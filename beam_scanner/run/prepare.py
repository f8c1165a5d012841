"""Checks a run and takes it apart, before any worker starts.

What flows: outputs of a graph -> jobs (one a stream) -> for each job a fingerprint,
whether it is there already, and the families of its phases with their lengths and
task cuts. What can fail here, fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from beam_scanner.engine.containment import contained
from beam_scanner.errors import (
    ElementTypeError,
    Failure,
    StreamExistsError,
    StreamNotFoundError,
)
from beam_scanner.graph.builder import check_graph, input_type
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    job_count,
)
from beam_scanner.graph.nodes import topological as nodes_of
from beam_scanner.planner.bound import BoundGraph
from beam_scanner.planner.needs import all_needs
from beam_scanner.planner.perf_params import MakePerfParams, PerfParams
from beam_scanner.planner.phases import Family, split_phases
from beam_scanner.planner.tasks import TaskCuts, cut_tasks, frames_to_decode
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.context import bind_families, check_rows
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.fingerprints import Fingerprints, stream_fingerprint
from beam_scanner.run.publish import holds, was_made_by
from beam_scanner.run.run_files import JobFiles
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.text.printable import printable

CHECKED_JOBS = 10_000
"""Runs of more jobs are checked by the workers, where the graph meets lengths."""


SMALL_ROWS = 300
"""Jobs whose nodes make no more rows, and decode no more frames, are small."""


@dataclass(frozen=True)
class Job:
    """One job of a run.

    Attributes:
        number: Its place in the lists of streams.
        name: Name of its first output.
        fingerprint: Of the whole job.
        outputs: Fingerprint of each output.
        seen: For each output the generation that the run may replace, '' for none.
    """

    number: int
    name: str
    fingerprint: str
    outputs: tuple[str, ...]
    seen: tuple[str, ...]


@dataclass(frozen=True)
class JobPlan:
    """One job, bound and cut.

    Attributes:
        graphs: The bound graph of each family.
        cuts: How each family is cut into tasks.
        small: Whether it is done before worker processes would have started.
    """

    graphs: tuple[BoundGraph, ...]
    cuts: tuple[TaskCuts, ...]
    small: bool


@dataclass
class Prepared:
    """A run that was checked.

    Attributes:
        outputs: What the user asked for.
        perf: Packet sizes.
        families: The graph, cut into phases.
        jobs: Jobs to run.
        cached: Jobs whose outputs are there already.
        finished: Those of ``cached`` that an interrupted run had committed: what is
            left of its work may go.
        failures: By number of the job: inputs that cannot be read.
        plans: By number of the job; empty for more than ``CHECKED_JOBS`` jobs.
        fingerprints: What gave the jobs their fingerprints.
    """

    outputs: tuple[OutputNode, ...]
    perf: PerfParams
    families: list[Family] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    cached: list[Job] = field(default_factory=list)
    finished: list[Job] = field(default_factory=list)
    failures: dict[int, Failure] = field(default_factory=dict)
    plans: dict[int, JobPlan] = field(default_factory=dict)
    fingerprints: Fingerprints | None = None

    def places(self) -> list[str]:
        """Paths and URLs that workers read or write, each once."""
        outputs = [s for output in self.outputs for s in output.streams]
        streams = [*input_streams(self.outputs), *outputs]
        return list(dict.fromkeys(p for stream in streams for p in stream.places()))

    @property
    def tasks(self) -> int:
        """Tasks of all jobs whose plans are known."""
        return sum(len(cuts) for plan in self.plans.values() for cuts in plan.cuts)


def input_streams(outputs: Sequence[OutputNode]) -> list[StoredStream]:
    """Every stream that a graph reads."""
    return [
        stream
        for node in nodes_of(outputs)
        if isinstance(node, InputNode)
        for stream in node.streams
    ]


def prepare(
    outputs: Sequence[OutputNode],
    make_perf: MakePerfParams,
    cache_mode: CacheMode,
    storage: NamedStorage,
    writes: bool = True,
) -> Prepared:
    """Checks a run and takes it apart.

    Videos that are read in place must have been ingested. Those that could not be,
    and other inputs from outside databases that cannot be read, become failures of
    their jobs.

    Args:
        outputs: The outputs of the run.
        make_perf: Chooses the packet sizes.
        cache_mode: What to do about outputs that are there.
        storage: The database that keeps work that is not done.
        writes: Whether videos that are new to the database are indexed there; else
            nothing is stored.

    Returns:
        What to run.

    Raises:
        GraphError: Rows do not fit together, or the graph is malformed.
        ElementTypeError: Streams of one input hold elements of different types.
        StreamNotFoundError: A stream of a database is not committed.
        StreamExistsError: An output is committed and may not be replaced.
    """
    outputs = tuple(outputs)
    check_graph(outputs)
    nodes = nodes_of(outputs)
    count = job_count(nodes)
    inputs = _Inputs(nodes, outputs, count, _check_input if writes else _ask_input)
    ops = [node for node in nodes if isinstance(node, OpNode)]
    try:
        with contained("choosing packet sizes"):
            perf = make_perf(inputs.readable(), ops)
    except Exception:
        if not inputs.blamed(range(count)):
            raise
        perf = make_perf(inputs.readable(), ops)
    prepared = Prepared(outputs, perf, failures=inputs.failures)
    _sort_jobs(prepared, inputs, count, cache_mode, storage)
    numbers = {job.number: job for job in prepared.jobs}
    prepared.families = split_phases(
        outputs, lambda column, k: _internal(column, k, numbers, count, storage)
    )
    if len(prepared.jobs) <= CHECKED_JOBS:
        _plan_jobs(prepared, inputs)
    return prepared


def _plan_jobs(prepared: Prepared, inputs: _Inputs) -> None:
    for job in prepared.jobs:
        try:
            with contained("planning"):
                prepared.plans[job.number] = plan_job(prepared, job.number)
        except Exception:
            if not inputs.blamed([job.number]):
                raise
    if len(prepared.plans) < len(prepared.jobs):
        prepared.jobs = [job for job in prepared.jobs if job.number in prepared.plans]


class _Inputs:
    """The inputs of a run; one that cannot be read is a failure of its job alone.

    Args:
        nodes: Of the graph.
        outputs: Of the run.
        count: How many jobs there are.
        check: Raises what is wrong with an input.

    Attributes:
        failures: By number of the job: why its inputs cannot be read.

    Raises:
        ElementTypeError: Streams of one input differ in type.
        StreamNotFoundError: A stream of a database is not there.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        outputs: Sequence[OutputNode],
        count: int,
        check: Callable[[StoredStream], None],
    ) -> None:
        self._nodes = [node for node in nodes if isinstance(node, InputNode)]
        self._names = [stream.name() for stream in outputs[0].streams]
        self.failures: dict[int, Failure] = {}
        for job in range(count):
            self._look(job, check)
        if count <= CHECKED_JOBS:
            for node in self._nodes:
                self._check_types(node)

    def readable(self) -> list[StoredStream]:
        """The streams of all jobs that have not failed."""
        return [
            stream
            for node in self._nodes
            for job, stream in enumerate(node.streams)
            if job not in self.failures
        ]

    def blamed(self, jobs: Iterable[int]) -> bool:
        """Whether inputs of these jobs turn out to be unreadable on closer look."""
        before = len(self.failures)
        for job in jobs:
            if job not in self.failures:
                self._look(job, _open_input)
        return len(self.failures) > before

    def _check_types(self, node: InputNode) -> None:
        # What follows was built for the first one's type.
        first = _type_name(node.streams[0])
        for job, stream in enumerate(node.streams):
            other = first if job in self.failures else _type_name(stream)
            if other != first:
                raise ElementTypeError(
                    "the streams of one io.Input must hold one type: "
                    f"{node.streams[0].name()!r} holds {first}, {stream.name()!r} "
                    f"holds {other}"
                )

    def _look(self, job: int, look: Callable[[StoredStream], None]) -> None:
        for node in self._nodes:
            stream = node.streams[job]
            try:
                with contained(f"reading stream {stream.name()!r}"):
                    look(stream)
            except Exception as error:
                if _is_of_database(stream):
                    raise
                name = self._names[job]
                self.failures[job] = failure_of(name, error, kind="input")
                return


def _type_name(stream: StoredStream) -> str:
    found = input_type(stream)
    return "FrameType" if found is None else found.name


def _check_input(stream: StoredStream) -> None:
    if isinstance(stream, NamedVideoStream) and stream.path is not None:
        stream.ingest()
    else:
        _ask_input(stream)


def _ask_input(stream: StoredStream) -> None:
    if isinstance(stream, NamedVideoStream) and stream.path is not None:
        stream.descriptor()
    elif not stream.committed():
        # It may know better what it lacks.
        _open_input(stream)
        raise StreamNotFoundError(
            f"input stream {stream.name()!r} does not exist or was never committed"
            f"{_missing(stream)}"
        )


def _missing(stream: StoredStream) -> str:
    found = stream.try_descriptor() if isinstance(stream, NamedStream) else None
    if found is None or not isinstance(stream, NamedStream):
        return ""
    return f": of its files {stream.missing_files(found)[:3]} are gone or cut off"


def _is_of_database(stream: StoredStream) -> bool:
    """Whether a database holds it, under a name that can be wrong, as code can be.

    All others are files, or whatever else the data gives.
    """
    path = stream.path if isinstance(stream, NamedVideoStream) else None
    return isinstance(stream, NamedStream) and path is None


def _open_input(stream: StoredStream) -> None:
    """Raises what running would raise, were it the stream's fault."""
    if not _is_of_database(stream):
        stream.estimate_size()
        stream_fingerprint(stream)
        with stream.reader() as reader:
            len(reader)


def _sort_jobs(
    prepared: Prepared,
    inputs: _Inputs,
    count: int,
    cache_mode: CacheMode,
    storage: NamedStorage,
) -> None:
    """Tells jobs that must be run from those whose results are there."""
    fingerprints = Fingerprints(prepared.outputs, prepared.perf.io_packet_size, storage)
    prepared.fingerprints = fingerprints
    store = storage.store()
    for number in range(count):
        if number in prepared.failures:
            continue
        try:
            with contained("reading its inputs"):
                whole, each = fingerprints.of_job(number)
        except Exception:
            if not inputs.blamed([number]):
                raise
            continue
        streams = [output.streams[number] for output in prepared.outputs]
        # Before it is asked what is there: what comes later is not to be replaced.
        seen = tuple(map(_generation, streams))
        job = Job(number, streams[0].name(), whole, tuple(each), seen)
        token = JobFiles(store, whole).token()
        if token is not None and all(was_made_by(s, token) for s in streams):
            prepared.finished.append(job)
            prepared.cached.append(job)
        elif _is_cached(job, streams, token, cache_mode):
            prepared.cached.append(job)
        else:
            prepared.jobs.append(job)


def _is_cached(
    job: Job, streams: Sequence[StoredStream], token: str | None, mode: CacheMode
) -> bool:
    there = [
        stream
        for stream in streams
        if stream.committed() and not (token and was_made_by(stream, token))
    ]
    if not there or mode is CacheMode.Overwrite:
        return False
    if mode is CacheMode.Error:
        raise StreamExistsError(
            f"Running this job would overwrite the {type(there[0]).__name__} "
            f"`{printable(there[0].name())}`. You can change this behavior using "
            "cl.run(cache_mode=CacheMode.Ignore) to not run for outputs that already "
            "hold this result, or CacheMode.Overwrite to run anyway and replace them."
        )
    return len(there) == len(streams) and all(
        holds(stream, fingerprint)
        for stream, fingerprint in zip(streams, job.outputs, strict=True)
    )


def _generation(stream: StoredStream) -> str:
    found = stream.try_descriptor() if isinstance(stream, NamedStream) else None
    return "" if found is None else found.generation


def _internal(
    column: OpColumn,
    number: int,
    jobs: dict[int, Job],
    count: int,
    storage: NamedStorage,
) -> tuple[StoredStream, ...]:
    """Streams between phases: one a job, in the job's own working folder."""
    store, unused = storage.store(), NamedStream(storage, "not run")
    streams: list[StoredStream] = []
    for job in range(count):
        if job in jobs:
            folder = JobFiles(store, jobs[job].fingerprint).internal
            database = NamedStorage(f"{store.url}/{folder}", storage.trusted)
            streams.append(NamedStream(database, str(number)))
        else:
            streams.append(unused)
    return tuple(streams)


def plan_job(prepared: Prepared, job: int) -> JobPlan:
    """Binds and cuts all families of a job; streams between phases need not exist.

    Raises:
        GraphError: Outputs of the run differ in rows, or as ``bind``.
    """
    graphs = bind_families(prepared.families, job)
    check_rows(prepared.families, graphs, job)
    cuts, small = [], True
    for graph in graphs:
        needs = all_needs(graph)
        small = small and (
            max(len(node_needs) for node_needs in needs) <= SMALL_ROWS
            and frames_to_decode(graph, needs) <= SMALL_ROWS
        )
        cuts.append(cut_tasks(graph, prepared.perf.io_packet_size))
    return JobPlan(tuple(graphs), tuple(cuts), small)
