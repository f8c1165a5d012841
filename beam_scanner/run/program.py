"""A graph of transforms, as workers get it: complete, but bound to no stream yet.

The driver of a pipeline sees no stream. Which there are, workers find: each is bound
to the graph where it is found, which makes it a *job*, a short tuple that travels
through the stages and tells all that a worker needs beside the program.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import OpColumn, OutputNode
from beam_scanner.graph.validate import check_graph
from beam_scanner.kernels.pickling import KeepsValues, dumps_graph
from beam_scanner.planner.phases import Family, split_phases
from beam_scanner.run.context import JobId, RunContext
from beam_scanner.run.jobs import (
    Fingerprints,
    SharedGraph,
    op_digests,
    own_digests,
)
from beam_scanner.run.options import Limits
from beam_scanner.run.publish import holds, is_spent, tidy, was_made_by
from beam_scanner.run.run_files import JobFiles, JobRecord, RunFiles, RunSettings
from beam_scanner.run.slots import (
    InternalSlot,
    LeavingSlot,
    SinkSlot,
    SourceSlot,
)
from beam_scanner.run.sources import check_input
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.stores.object_store import open_store

_TRIES = 3


@dataclass(frozen=True)
class BoundJob:
    """One job of a program.

    Attributes:
        name: Of the source's stream.
        sources: Where the stream of each source lies.
        fingerprint: Of the whole job.
        outputs: Fingerprint of each output.
        token: See ``JobRecord``.
        seen: See ``JobRecord``.
    """

    name: str
    sources: tuple[str, ...]
    fingerprint: str
    outputs: tuple[str, ...]
    token: str
    seen: tuple[str, ...]

    def to_tuple(self) -> tuple[Any, ...]:
        """Plain values, which every coder knows."""
        return (
            self.name,
            self.sources,
            self.fingerprint,
            self.outputs,
            self.token,
            self.seen,
        )


@dataclass(frozen=True)
class Program(KeepsValues):
    """What workers must know of the graph of a pipeline.

    Kernels and their arguments may be large, as the weights of models are. So only the
    stage that runs a phase gets those of the phase; all others get the program as
    :meth:`planned` gives it, and find the kernels' digests in it.

    Attributes:
        db: URL of the database that keeps its work.
        run: Names the run.
        sources: The inputs.
        graph: Sinks and branches that leave, in one family, without slots.
        slots: The slots, for ``graph``.
        shared: The graph in phases, without slots.
        own: The slots, for ``shared``.
        limits: Of each task.
        here: See ``RunSettings``.
        max_failures: See ``RunSettings``.
        digests: Of the ops of ``graph``, and of what each of its nodes holds for one
            job, as they were when the program was pickled.
        part: Tells programs apart that have the kernels of different phases.
    """

    db: str
    run: str
    sources: tuple[SourceSlot, ...]
    graph: SharedGraph
    slots: tuple[Any, ...]
    shared: SharedGraph
    own: tuple[Any, ...]
    limits: Limits
    here: str
    max_failures: int | None = None
    digests: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    part: str = "all"

    @staticmethod
    def of(
        db: str,
        run: str,
        sources: Sequence[SourceSlot],
        outputs: Sequence[OutputNode],
        limits: Limits,
        here: str,
        max_failures: int | None = None,
    ) -> Program:
        """Takes a graph with slots apart."""
        whole = [Family(0, tuple(outputs), ())]
        (graph, slots), (shared, own) = map(_apart, (whole, in_phases(outputs)))
        program = Program(
            db,
            run,
            tuple(sources),
            graph,
            slots,
            shared,
            own,
            limits,
            here,
            max_failures,
        )
        return replace(program, digests=program.read_digests())

    @property
    def outputs(self) -> tuple[OutputNode, ...]:
        """Sinks and branches that leave, over one job of slots."""
        (family,) = self.graph.job(self.slots)
        return family.outputs

    def read_digests(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What ``digests`` would be at this moment."""
        outputs = self.outputs
        return tuple(op_digests(outputs)), tuple(own_digests(outputs, 0))

    def planned(self) -> Program:
        """The program for stages that run no kernel."""
        graph, slots = self.graph.planned(self.slots)
        shared, own = self.shared.planned(self.own)
        return replace(
            self, graph=graph, slots=slots, shared=shared, own=own, part="plan"
        )

    def of_phase(self, phase: int) -> Program:
        """The program for the stage that runs a phase."""
        shared, own = self.shared.planned(self.own, phase)
        planned = self.planned()
        return replace(planned, shared=shared, own=own, part=f"phase {phase}")

    def pack(self) -> Packed:
        """The pickled program, whose digests are those of the values in it.

        Raises:
            ArgumentError: Values that kernels use keep changing.
        """
        program = self
        for _ in range(_TRIES):
            phases = [
                dumps_graph(program.of_phase(phase)) for phase in range(self.phases)
            ]
            digests = program.read_digests()
            if digests == program.digests:
                return Packed(dumps_graph(program.planned()), tuple(phases))
            program = replace(program, digests=digests)
        raise ArgumentError(
            "values that kernels use keep changing while the pipeline is sent to workers"
        )

    @property
    def phases(self) -> int:
        """How many phases there are."""
        return self.shared.phases

    def open(self) -> RunContext:
        """See ``RunSource``."""
        # No folder of the database is made before there is something to put there.
        store = NamedStorage(self.db).store(create=True)
        settings = RunSettings(
            self.shared,
            0,
            0,
            checked=False,
            equal_rows=False,
            detached=True,
            max_failures=self.max_failures,
            attempts=self.limits.attempts,
            task_timeout=self.limits.timeout,
            here=self.here,
        )
        return RunContext(store, RunFiles(store, self.run), settings, self.record)

    def homes(self) -> list[str]:
        """The databases of its sinks; that of its work if it has none."""
        return sorted({s.db for s in self.slots if isinstance(s, SinkSlot)}) or [
            self.db
        ]

    def record(self, job: JobId) -> JobRecord:
        """What one job has of its own."""
        name, sources, whole, outputs, token, seen = job
        record = JobRecord(
            name,
            [],
            whole,
            list(outputs),
            token,
            _mark(name, sources, whole),
            tuple(seen),
            self._leaves,
        )
        folder = record.files(open_store(self.db), self.run).internal
        streams = self._inputs(name, sources)
        own = _filled(self.own, name, streams, f"{self.db}/{folder}")
        return replace(record, own=own)

    def bind(self, name: str, sources: Sequence[str]) -> BoundJob:
        """Makes a job of streams of one name.

        Args:
            name: Of the streams.
            sources: Where the stream of each source lies.

        Returns:
            The job; nothing is to do for it if it has no token.

        Raises:
            ScannerException: A stream cannot be read, or another job writes an output.
        """
        streams = self._inputs(name, sources)
        for source in self.sources:
            check_input(source, streams[source.number])
        (family,) = self.graph.job(_filled(self.slots, name, streams, ""))
        outputs = family.outputs
        # Names may meet that were not known before.
        check_graph(outputs)
        for slot in self.slots:
            if isinstance(slot, SinkSlot):
                slot.claims.claim(name)
        home = NamedStorage(self.db)
        whole, each = Fingerprints(outputs, 0, home, *self.digests).of_job(0)
        made = [output.streams[0] for output in outputs]
        seen = tuple(map(_seen, made, each))
        token = self._begin(_mark(name, sources, whole), whole, each, made, seen)
        return BoundJob(name, tuple(sources), whole, tuple(each), token, seen)

    def _inputs(self, name: str, sources: Sequence[str]) -> dict[int, StoredStream]:
        return {
            slot.number: slot.make(self.db, name, where)
            for slot, where in zip(self.sources, sources, strict=True)
        }

    @property
    def _leaves(self) -> bool:
        """Whether rows leave the graph for the rest of the pipeline."""
        return any(isinstance(slot, LeavingSlot) for slot in self.slots)

    def _begin(
        self,
        mark: str,
        whole: str,
        each: Sequence[str],
        streams: Sequence[StoredStream],
        seen: Sequence[str],
    ) -> str:
        """The job's token; empty if its outputs are there."""
        store = NamedStorage(self.db).store(create=True)
        if self._leaves:
            RunFiles(store, self.run).forget_failed(mark)
            if self.phases == 1 and not any(map(_is_stored, streams)):
                return mark
            return JobFiles(store, mark, run=self.run).begin(seen)
        files = JobFiles(store, whole)
        if all(map(holds, streams, each)):
            token = files.token()
            if token is not None and all(was_made_by(s, token) for s in streams):
                for stream in streams:
                    tidy(stream, token)
                files.remove()
            return ""
        run = RunFiles(store, self.run)
        run.forget_failed(mark)
        if self.max_failures is not None:
            run.forget_stop()
        return files.begin(seen, lambda token: is_spent(streams, token))


@dataclass(frozen=True)
class Packed:
    """A program as the stages of a pipeline get it, pickled.

    Attributes:
        planned: For those that run no kernel.
        phases: For the one that runs each phase.
    """

    planned: bytes
    phases: tuple[bytes, ...]


def in_phases(outputs: Sequence[OutputNode]) -> list[Family]:
    """Cuts a graph with slots into families."""
    return split_phases(outputs, internal_slots)


def internal_slots(column: OpColumn, number: int) -> tuple[InternalSlot, ...]:
    """The place of a column that is kept between phases."""
    return (InternalSlot(number),)


def _apart(families: Sequence[Family]) -> tuple[SharedGraph, tuple[Any, ...]]:
    graph, nodes = SharedGraph.of(families)
    return graph, tuple(SharedGraph.own_values(nodes, 0))


def _filled(
    own: Sequence[Any], name: str, inputs: Mapping[int, StoredStream], internal: str
) -> list[Any]:
    """The values with streams in place of slots.

    A stream between phases is one object wherever it stands: so it is known for what
    an earlier phase makes.
    """
    between: dict[int, NamedStream] = {}

    def fill(value: Any) -> Any:
        if isinstance(value, SourceSlot):
            return inputs[value.number]
        if isinstance(value, (SinkSlot, LeavingSlot)):
            return value.make(name)
        if isinstance(value, InternalSlot):
            made = NamedStream(NamedStorage(internal), str(value.number))
            return between.setdefault(value.number, made)
        return value

    return [fill(value) for value in own]


def _is_stored(stream: StoredStream) -> bool:
    return not isinstance(stream, LeavingSlot)


def _seen(stream: StoredStream, wanted: str) -> str:
    """The generation that an output may replace: none that holds the same result."""
    found = stream.try_descriptor() if isinstance(stream, NamedStream) else None
    if found is None or holds(stream, wanted):
        return ""
    return found.generation


def _mark(name: str, sources: Sequence[str], whole: str) -> str:
    """Tells the jobs of a run apart: files of equal content have equal fingerprints."""
    data = repr((name, tuple(sources), whole)).encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=16).hexdigest()
