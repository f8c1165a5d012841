"""A graph of transforms, as workers get it: complete, but bound to no stream yet.

The driver of a pipeline sees no stream. Which there are, workers find: each is bound
to the graph where it is found, which makes it a *job*, whose record travels through
the stages and has all that a worker needs beside the program.
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
from beam_scanner.planner.phases import Family
from beam_scanner.run.fingerprints import Fingerprints, op_digests
from beam_scanner.run.job import JobId, JobRecord
from beam_scanner.run.made import Results, holds, is_spent
from beam_scanner.run.options import Limits
from beam_scanner.run.publish import end_published
from beam_scanner.run.run import Run
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.run.slots import LeavingSlot, SinkSlot, SourceSlot
from beam_scanner.run.sources import check_input
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream

_TRIES = 3


@dataclass(frozen=True)
class Program(KeepsValues):
    """What workers must know of the graph of a pipeline.

    Attributes:
        db: URL of the database that keeps its work.
        run: Names the run.
        sources: The inputs.
        outputs: Sinks and branches that leave, over one job of slots.
        slots: The values of ``settings.graph``, with slots in place of streams.
        ops: Digests of the ops of ``outputs``, as they were when it was pickled.
        settings: How its jobs are to be run, and their graph in phases.
    """

    db: str
    run: str
    sources: tuple[SourceSlot, ...]
    outputs: tuple[OutputNode, ...]
    slots: tuple[Any, ...]
    ops: tuple[str, ...]
    settings: RunSettings

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
        graph, nodes = SharedGraph.of(in_phases(outputs))
        settings = RunSettings(
            graph,
            equal_rows=False,
            detached=True,
            limits=limits,
            max_failures=max_failures,
            here=here,
        )
        return Program(
            db,
            run,
            tuple(sources),
            tuple(outputs),
            tuple(values_of(nodes, 0)),
            tuple(op_digests(outputs)),
            settings,
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

    def open(self) -> Run:
        """See ``RunSource``."""
        # No folder of the database is made before there is something to put there.
        store = NamedStorage(self.db).store(create=True)
        return Run(store, RunFiles(store, self.run), self.settings, self.record)

    def homes(self) -> list[str]:
        """The databases of its sinks; that of its work if it has none."""
        slots = [output.streams[0] for output in self.outputs]
        return sorted({s.db for s in slots if isinstance(s, SinkSlot)}) or [self.db]

    def record(self, job: JobId) -> JobRecord:
        """The record of a job, with streams in place of where its sources lie."""
        sent = JobRecord(*job)
        inputs = self._inputs(sent.name, sent.values)
        return sent._replace(values=_filled(self.slots, sent.name, inputs))

    def bind(self, name: str, sources: Sequence[str]) -> JobRecord:
        """Makes a job of streams of one name.

        Args:
            name: Of the streams.
            sources: Where the stream of each source lies.

        Returns:
            Its record, as it travels: its values are ``sources``. It has no token if
            there is nothing to do for it.

        Raises:
            ScannerException: A stream cannot be read, or another job writes an output.
        """
        streams = self._inputs(name, sources)
        for source in self.sources:
            check_input(source, streams[source.number])
        graph, nodes = SharedGraph.of([Family(0, self.outputs, ())])
        (family,) = graph.job(_filled(values_of(nodes, 0), name, streams))
        # Names may meet that were not known before.
        check_graph(family.outputs)
        for output in self.outputs:
            slot = output.streams[0]
            if isinstance(slot, SinkSlot):
                slot.claims.claim(name)
        home = NamedStorage(self.db)
        whole, each = Fingerprints(family.outputs, 0, home, self.ops).of_job(0)
        made = [output.streams[0] for output in family.outputs]
        record = JobRecord(
            name,
            tuple(sources),
            whole,
            tuple(each),
            seen=tuple(map(_seen, made, each)),
            mark=_mark(name, sources, whole),
            leaves=any(isinstance(stream, LeavingSlot) for stream in made),
        )
        return record._replace(token=self._begin(record, made))

    def _inputs(self, name: str, sources: Sequence[str]) -> dict[int, StoredStream]:
        return {
            slot.number: slot.make(self.db, name, where)
            for slot, where in zip(self.sources, sources, strict=True)
        }

    def _begin(self, record: JobRecord, outputs: Sequence[StoredStream]) -> str:
        """The job's token; empty if its outputs are there."""
        store = NamedStorage(self.db).store(create=True)
        run, files = RunFiles(store, self.run), record.files(store, self.run)
        if record.leaves:
            run.forget_failed(record.mark)
            stores = not all(isinstance(stream, LeavingSlot) for stream in outputs)
            # With nothing to store there is nothing to keep: no file is written.
            if self.settings.graph.phases == 1 and not stores:
                return record.mark
            return files.begin(record.seen)
        results = Results(files, outputs, record.outputs)
        if results.are_there():
            if results.are_published():
                end_published(files, outputs)
            return ""
        # The runner executes a stage again when it lost its results.
        run.forget_failed(record.mark)
        if self.settings.max_failures is not None:
            run.forget_stop()
        return files.begin(record.seen, lambda token: is_spent(outputs, token))


def _filled(
    values: Sequence[Any], name: str, inputs: Mapping[int, StoredStream]
) -> list[Any]:
    """The values of one job, with streams in place of sources and sinks."""

    def fill(value: Any) -> Any:
        if isinstance(value, SourceSlot):
            return inputs[value.number]
        if isinstance(value, (SinkSlot, LeavingSlot)):
            return value.make(name)
        return value

    return [fill(value) for value in values]


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
