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
from beam_scanner.run.existing_results import Results, holds, is_spent
from beam_scanner.run.fingerprints import Fingerprints, op_digests, value_digests
from beam_scanner.run.job import JobId, JobRecord, pinned
from beam_scanner.run.options import Limits
from beam_scanner.run.publish import end_published
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.sent_file_systems import pack_file_systems, unpack_file_systems
from beam_scanner.run.shared_graph import SharedGraph, in_phases, values_of
from beam_scanner.run.sources import check_input
from beam_scanner.run.stream_slots import BranchSlot, SinkSlot, SourceSlot
from beam_scanner.run.worker_run import Run
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream

_TRIES = 3


@dataclass(frozen=True)
class Program(KeepsValues):
    """What workers must know of the graph of a pipeline.

    Only the stage that executes a phase gets kernels and their arguments, which may be
    large: those of the phase. All other stages get the program as
    :meth:`without_kernels` gives it, with the kernels' digests.

    Attributes:
        db: URL of the database that keeps its work.
        run: Names the run.
        sources: The inputs.
        whole: The graph before it is cut into phases, as one family.
        whole_slots: The values of ``whole``, with slots in place of streams.
        settings: How its jobs are to be run, and their graph in phases.
        slots: The values of ``settings.graph``, with slots in place of streams.
        digests: Of the ops of ``whole``, and of the values of each of its nodes, as
            they were when the program was pickled.
        part: Distinguishes programs that have the kernels of different phases.
    """

    db: str
    run: str
    sources: tuple[SourceSlot, ...]
    whole: SharedGraph
    whole_slots: tuple[Any, ...]
    settings: RunSettings
    slots: tuple[Any, ...]
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
        decoder: str = "cpu",
    ) -> Program:
        """Takes a graph with slots apart."""
        whole, whole_nodes = SharedGraph.of([Family(0, tuple(outputs), ())])
        graph, nodes = SharedGraph.of(in_phases(outputs))
        settings = RunSettings(
            graph,
            equal_rows=False,
            detached=True,
            limits=limits,
            max_failures=max_failures,
            here=here,
            file_systems=pack_file_systems(),
            decoder=decoder,
        )
        program = Program(
            db,
            run,
            tuple(sources),
            whole,
            tuple(values_of(whole_nodes, 0)),
            settings,
            tuple(values_of(nodes, 0)),
        )
        return replace(program, digests=program.read_digests())

    @property
    def outputs(self) -> tuple[OutputNode, ...]:
        """Sinks and branches that leave, over one job of slots."""
        (family,) = self.whole.job(self.whole_slots)
        return family.outputs

    def read_digests(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What ``digests`` would be at this moment."""
        outputs = self.outputs
        return tuple(op_digests(outputs)), tuple(value_digests(outputs, 0))

    def without_kernels(self) -> Program:
        """The program for stages that execute no kernel."""
        return self._with_kernels_of(None, "no kernels")

    def of_phase(self, phase: int) -> Program:
        """The program for the stage that executes a phase."""
        return self._with_kernels_of(phase, f"phase {phase}")

    def _with_kernels_of(self, phase: int | None, part: str) -> Program:
        whole, whole_slots = self.whole.without_kernels(self.whole_slots)
        graph, slots = self.settings.graph.without_kernels(self.slots, phase)
        return replace(
            self,
            whole=whole,
            whole_slots=whole_slots,
            settings=replace(self.settings, graph=graph),
            slots=slots,
            part=part,
        )

    def pack(self) -> Packed:
        """The pickled program, whose digests are those of the values in it.

        Raises:
            ArgumentError: Values that kernels use keep changing.
        """
        program = self
        for _ in range(_TRIES):
            phases = [
                dumps_graph(program.of_phase(phase))
                for phase in range(program.settings.graph.phases)
            ]
            digests = program.read_digests()
            if digests == program.digests:
                return Packed(dumps_graph(program.without_kernels()), tuple(phases))
            program = replace(program, digests=digests)
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
        sinks = [slot for slot in self.whole_slots if isinstance(slot, SinkSlot)]
        return sorted({sink.db for sink in sinks}) or [self.db]

    def record(self, job: JobId) -> JobRecord:
        """The record of a job, with streams in place of where its sources lie."""
        sent = JobRecord(*job)
        inputs = self._inputs(sent.name, sent.values)
        values = _filled(self.slots, sent.name, inputs)
        read = {
            id(inputs[source.number]): fingerprint
            for source, fingerprint in zip(self.sources, sent.inputs, strict=False)
        }
        return sent._replace(values=values, inputs=pinned(values, read))

    def bind(self, name: str, sources: Sequence[str], pane: str = "") -> JobRecord:
        """Makes a job of streams of one name.

        Args:
            name: Of the streams.
            sources: Where the stream of each source lies.
            pane: In which window, and which time of several in it; see ``pane_name``.

        Returns:
            Its record, as it travels: its values are ``sources``. It has no token if
            there is nothing to do for it.

        Raises:
            ScannerException: A stream cannot be read, or another job writes an output.
        """
        unpack_file_systems(self.settings.file_systems)
        streams = self._inputs(name, sources)
        for source in self.sources:
            check_input(source, streams[source.number])
        (family,) = self.whole.job(_filled(self.whole_slots, name, streams))
        # Names may meet that were not known before.
        check_graph(family.outputs)
        for slot in self.whole_slots:
            if isinstance(slot, SinkSlot):
                slot.claims.claim(name)
        home = NamedStorage(self.db)
        found = Fingerprints(
            family.outputs, 0, home, *self.digests, self.settings.decoder
        )
        inputs_read = found.of_inputs(0)
        whole, each = found.of_job(0, inputs_read)
        made = [output.streams[0] for output in family.outputs]
        record = JobRecord(
            name,
            tuple(sources),
            whole,
            tuple(each),
            seen=tuple(map(_seen, made, each)),
            mark=_mark(name, sources, whole, pane),
            leaves=any(isinstance(stream, BranchSlot) for stream in made),
            inputs=pinned([streams[s.number] for s in self.sources], inputs_read),
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
            stores = not all(isinstance(stream, BranchSlot) for stream in outputs)
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
        return files.begin(
            record.seen, lambda token: is_spent(files, outputs, record.outputs, token)
        )


@dataclass(frozen=True)
class Packed:
    """A program as the stages of a pipeline get it, pickled.

    Attributes:
        without_kernels: For stages that execute no kernel.
        phases: For the stage that executes each phase.
    """

    without_kernels: bytes
    phases: tuple[bytes, ...]


def _filled(
    values: Sequence[Any], name: str, inputs: Mapping[int, StoredStream]
) -> list[Any]:
    """The values of one job, with streams in place of sources and sinks."""

    def fill(value: Any) -> Any:
        if isinstance(value, SourceSlot):
            return inputs[value.number]
        if isinstance(value, (SinkSlot, BranchSlot)):
            return value.make(name)
        return value

    return [fill(value) for value in values]


def _seen(stream: StoredStream, wanted: str) -> str:
    """The generation that an output may replace: none that holds the same result."""
    found = stream.try_descriptor() if isinstance(stream, NamedStream) else None
    if found is None or holds(stream, wanted):
        return ""
    return found.generation


def _mark(name: str, sources: Sequence[str], whole: str, pane: str) -> str:
    """Distinguishes the jobs of a run: files of equal content have equal fingerprints."""
    told = (name, tuple(sources), whole, *([pane] if pane else []))
    data = repr(told).encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=16).hexdigest()
