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
from beam_scanner.graph.nodes import OutputNode
from beam_scanner.graph.validate import check_graph
from beam_scanner.kernels.pickling import KeepsValues, dumps_graph
from beam_scanner.planner.phases import Family, split_phases
from beam_scanner.run.context import JobId, RunContext
from beam_scanner.run.jobs import Fingerprints, SharedGraph, op_digests
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
from beam_scanner.stores.open import open_store

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

    Attributes:
        db: URL of the database that keeps its work.
        run: Names the run.
        sources: The inputs.
        outputs: Sinks and branches that leave, over one job of slots.
        shared: The graph in phases, without slots.
        own: The slots, for ``shared``.
        ops: Digests of the ops of ``outputs``, as they were when it was pickled.
        limits: Of each task.
        here: See ``RunSettings``.
        max_failures: See ``RunSettings``.
    """

    db: str
    run: str
    sources: tuple[SourceSlot, ...]
    outputs: tuple[OutputNode, ...]
    shared: SharedGraph
    own: tuple[Any, ...]
    ops: tuple[str, ...]
    limits: Limits
    here: str
    max_failures: int | None = None

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
        shared, nodes = SharedGraph.of(in_phases(outputs))
        own = tuple(SharedGraph.own_values(nodes, 0))
        ops = tuple(op_digests(outputs))
        return Program(
            db,
            run,
            tuple(sources),
            tuple(outputs),
            shared,
            own,
            ops,
            limits,
            here,
            max_failures,
        )

    def pack(self) -> bytes:
        """The pickled program, whose digests are those of the values in it.

        Raises:
            ArgumentError: Values that kernels use keep changing.
        """
        program = self
        for _ in range(_TRIES):
            data = dumps_graph(program)
            ops = tuple(op_digests(program.outputs))
            if ops == program.ops:
                return data
            program = replace(program, ops=ops)
        raise ArgumentError(
            "values that kernels use keep changing while the pipeline is sent to workers"
        )

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
        slots = [output.streams[0] for output in self.outputs]
        return sorted({s.db for s in slots if isinstance(s, SinkSlot)}) or [self.db]

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
        graph, nodes = SharedGraph.of([Family(0, self.outputs, ())])
        own = SharedGraph.own_values(nodes, 0)
        (family,) = graph.job(_filled(own, name, streams, ""))
        outputs = family.outputs
        # Names may meet that were not known before.
        check_graph(outputs)
        for output in self.outputs:
            slot = output.streams[0]
            if isinstance(slot, SinkSlot):
                slot.claims.claim(name)
        home = NamedStorage(self.db)
        whole, each = Fingerprints(outputs, 0, home, self.ops).of_job(0)
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
        return any(isinstance(out.streams[0], LeavingSlot) for out in self.outputs)

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
            if self.shared.phases == 1 and not any(map(_is_stored, streams)):
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


def in_phases(outputs: Sequence[OutputNode]) -> list[Family]:
    """Cuts a graph with slots into families."""
    return split_phases(outputs, lambda column, number: (InternalSlot(number),))


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
