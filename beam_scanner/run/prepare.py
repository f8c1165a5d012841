"""Makes the jobs of a run that its driver knows, and checks them before any worker starts.

What flows: outputs of a graph -> a job for each stream, with its fingerprint -> those
whose results are not there -> their graphs, bound to the lengths of their inputs. What
can fail here, fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.engine.containment import contained
from beam_scanner.errors import ElementTypeError, Failure
from beam_scanner.graph.builder import check_graph, input_type
from beam_scanner.graph.nodes import InputNode, Node, OpNode, OutputNode, job_count
from beam_scanner.graph.nodes import topological as nodes_of
from beam_scanner.planner.cut_tasks import TaskCuts
from beam_scanner.planner.perf_params import MakePerfParams, PerfParams
from beam_scanner.run.cache_mode import CacheMode, is_cached
from beam_scanner.run.existing_results import Results
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.fingerprints import Fingerprints, stream_fingerprint
from beam_scanner.run.job import Job, JobRecord, pinned
from beam_scanner.run.options import decoder_of
from beam_scanner.run.run_files import noted_tokens
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.run.sources import check_committed
from beam_scanner.storage.commit import generation_of
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream

CHECKED_JOBS = 10_000
"""Runs of more jobs are checked by the workers, where the graph meets lengths."""


@dataclass
class Prepared:
    """A run that was checked.

    Attributes:
        outputs: What the user asked for.
        perf: Packet sizes.
        graph: What its jobs share.
        jobs: Jobs to run.
        cached: Jobs whose outputs are there already.
        published: Those of ``cached`` that an interrupted run had committed: what is
            left of its work may go.
        published_by: Tokens of interrupted runs that have published outputs.
        failures: By number of the job: inputs that cannot be read.
        checked: Whether the jobs were bound and checked: not more than
            ``CHECKED_JOBS``.
        fingerprints: What gave the jobs their fingerprints.
        decoder: Where videos are decoded.
    """

    outputs: tuple[OutputNode, ...]
    perf: PerfParams
    graph: SharedGraph
    fingerprints: Fingerprints
    failures: dict[int, Failure]
    jobs: list[Job] = field(default_factory=list)
    cached: list[Job] = field(default_factory=list)
    published: list[Job] = field(default_factory=list)
    published_by: set[str] = field(default_factory=set)
    checked: bool = False
    decoder: str = "cpu"

    @property
    def total(self) -> int:
        """All jobs, those included that failed or are there."""
        return len(self.jobs) + len(self.cached) + len(self.failures)

    def worker_paths(self) -> list[str]:
        """Paths and URLs that workers read or write, each once."""
        outputs = [s for output in self.outputs for s in output.streams]
        streams = [*input_streams(self.outputs), *outputs]
        return list(dict.fromkeys(p for stream in streams for p in stream.places()))

    @property
    def tasks(self) -> int:
        """Tasks of all jobs, if these were checked."""
        jobs = self.jobs if self.checked else []
        return sum(len(cuts) for job in jobs for cuts in self.cuts(job))

    def cuts(self, job: Job) -> list[TaskCuts]:
        """How each family of a job is cut into tasks."""
        size = self.perf.io_packet_size
        return [job.cuts(family, size) for family in range(len(job.families))]


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
    options: PipelineOptions | None = None,
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
        options: The user's Beam options, if there are any.

    Returns:
        What to run.

    Raises:
        GraphError: Rows do not fit together, or the graph is malformed.
        ElementTypeError: Streams of one input hold elements of different types.
        StreamNotFoundError: A stream of a database is not committed.
        StreamExistsError: An output is committed and may not be replaced.
        VideoError: A video cannot be decoded where it is to be.
    """
    outputs = tuple(outputs)
    check_graph(outputs)
    nodes = nodes_of(outputs)
    count = job_count(nodes)
    inputs = _Inputs(nodes, outputs, count, partial(_check_input, indexes=writes))
    ops = [node for node in nodes if isinstance(node, OpNode)]
    try:
        with contained("choosing packet sizes"):
            perf = make_perf(inputs.readable(), ops)
    except Exception:
        # An input that cannot be read is a failure of its job, not of the run.
        if not inputs.blamed(range(count)):
            raise
        perf = make_perf(inputs.readable(), ops)
    decoder = decoder_of(options or PipelineOptions([]), perf.decoder)
    packet = perf.io_packet_size
    fingerprints = Fingerprints(outputs, packet, storage, decoder=decoder)
    graph, nodes = SharedGraph.of(in_phases(outputs, storage.trusted))
    store = storage.store()
    prepared = Prepared(
        outputs, perf, graph, fingerprints, inputs.failures, decoder=decoder
    )
    runs = cache(partial(noted_tokens, store))
    for number in range(count):
        if number not in prepared.failures:
            try:
                with contained("reading its inputs"):
                    inputs_read = fingerprints.of_inputs(number)
                    whole, each = fingerprints.of_job(number, inputs_read)
            except Exception:
                if not inputs.blamed([number]):
                    raise
                continue
            streams = [output.streams[number] for output in outputs]
            values = values_of(nodes, number)
            record = JobRecord(
                streams[0].name(),
                values,
                whole,
                tuple(each),
                # Before it is asked what is there: what comes later is not to be
                # replaced.
                seen=tuple(map(_generation, streams)),
                mark=str(number),
                inputs=pinned(values, inputs_read),
            )
            job = Job(record, graph, store, number=number, decoder=decoder)
            results = Results(job.files, streams, job.record.outputs, runs)
            _sort_in(prepared, job, results, cache_mode)
    # Opening each input takes too long for one process when there are very many.
    if len(prepared.jobs) <= CHECKED_JOBS:
        prepared.jobs = [j for j in prepared.jobs if _is_good(prepared, inputs, j)]
        prepared.checked = True
    return prepared


def _is_good(prepared: Prepared, inputs: _Inputs, job: Job) -> bool:
    """Whether a job can be run; False if its inputs turn out to be unreadable."""
    try:
        with contained("planning"):
            job.check()
            # Cutting may fail, too, and its result is shown by the progress bar.
            prepared.cuts(job)
    except Exception:
        if not inputs.blamed([job.number]):
            raise
        return False
    return True


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


def _check_input(stream: StoredStream, indexes: bool) -> None:
    if isinstance(stream, NamedVideoStream) and stream.path is not None:
        _ = stream.ingest() if indexes else stream.descriptor()
    elif not stream.committed():
        # It may know better what it lacks.
        _open_input(stream)
        check_committed(stream)


def _is_of_database(stream: StoredStream) -> bool:
    """Whether a database holds it, under a name that can be wrong, as code can be.

    All others are files, or other data that can be missing or damaged.
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


def _sort_in(prepared: Prepared, job: Job, results: Results, mode: CacheMode) -> None:
    """Sorts a job into those to run and those whose results are there."""
    if results.are_published():
        prepared.published.append(job)
        prepared.cached.append(job)
    elif is_cached(results, len(prepared.outputs), mode):
        prepared.cached.append(job)
    else:
        prepared.jobs.append(job)
    prepared.published_by |= results.published_by


def _generation(stream: StoredStream) -> str:
    return generation_of(
        stream.try_descriptor() if isinstance(stream, NamedStream) else None
    )
