"""Short streams and a model whose batches they share."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.ops import infer
from beam_scanner.planner import merge_tasks
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.options import Limits
from beam_scanner.run.prepare import Prepared, prepare
from beam_scanner.run.report import Report
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from tests.support.small_runs import IN_MEMORY

assert infer.InferKernel  # registers the op

_log = logging.getLogger("short streams")

BATCH = 8
LENGTHS = (3, 5, 0, 2, 4, 1, 12, 2)
"""Rows of the streams: one has none, and one more than a batch."""

TOGETHER = [[0, 1], [3, 4, 5], [7]]
"""Which of those share a task that have fewer rows than a batch, and any."""


@register_python_op(name="ShortSum", bounded_state=2)
class Sum(Kernel):
    """The sum of a row and the two before it, of the stream's own argument on."""

    def new_stream(self, start: int = 0) -> None:
        self.start = start

    def reset(self) -> None:
        self.seen: list[int] = []

    def execute(self, x: Any) -> Any:
        self.seen = [*self.seen, x][-3:]
        _log.info("row %d", x // 2 % 100)
        return self.start + sum(self.seen)


class Model:
    """Doubles numbers; at a number it does what it is told to, and notes its calls.

    Args:
        at: The number.
        how: 'raise' (until it is mended), 'once', 'die' or 'hang'; 'memory', whatever
            the number, for more than 4 rows.
        notes: A file for the size of each batch; none is kept if empty.
    """

    def __init__(self, at: int = -1, how: str = "", notes: str = "") -> None:
        self.at, self.how, self.notes = at, how, notes

    def load(self) -> None: ...

    def __call__(self, batch: Sequence[int]) -> list[int]:
        if self.notes:
            with open(self.notes, "a") as file:
                file.write(f"{len(batch)}\n")
        if self.how == "memory" and len(batch) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 9.00 GiB")
        if self.at in batch:
            self.fail()
        return [2 * number for number in batch]

    def fail(self) -> None:
        if self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "hang":
            time.sleep(1000)
        if self.mended.exists():
            return
        if self.how == "once":
            self.mended.touch()
        raise ValueError("told to fail")

    @property
    def mended(self) -> Path:
        """A file: while it is there, nothing is raised."""
        return Path(f"{self.notes}.mended")


@dataclass
class Shorts:
    """A database of short streams, and a graph that takes them through a model.

    Its outputs are ``doubled`` and ``sums``, of the sums of three rows that follow.
    """

    storage: NamedStorage
    lengths: Sequence[int] = LENGTHS
    model: Model = field(default_factory=Model)
    postprocess: Any = None
    on_error: str = "fail"

    @classmethod
    def make(cls, path: Path, lengths: Sequence[int] = LENGTHS) -> Shorts:
        made = cls(NamedStorage(str(path)), lengths)
        made.storage.store(create=True)
        for job in range(len(lengths)):
            NamedStream(made.storage, f"in{job}").save(made.numbers(job), int)
        return made

    def numbers(self, job: int) -> list[int]:
        return [100 * job + row for row in range(self.lengths[job])]

    def inputs(self) -> list[Any]:
        jobs = range(len(self.lengths))
        return [NamedStream(self.storage, f"in{job}") for job in jobs]

    def output(self, kind: str, job: int) -> NamedStream:
        return NamedStream(self.storage, f"{kind}/{job}")

    def outputs(self) -> list[Any]:
        io, ops = IOGenerator(self.storage), OpGenerator(self.storage)
        jobs = range(len(self.lengths))
        x = io.Input(self.inputs())
        infer = ops.Infer(
            frame=x,
            model_handler=self.model,
            batch=BATCH,
            postprocess=self.postprocess or whole,
            on_error=self.on_error,
        )
        sums = ops.ShortSum(x=infer, start=[10_000 * job for job in jobs])
        return [
            io.Output(infer, [self.output("doubled", job) for job in jobs]),
            io.Output(sums, [self.output("sums", job) for job in jobs]),
        ]

    def prepare(self, mode: CacheMode = CacheMode.Error) -> Prepared:
        perf = PerfParams.manual(2, 1000)
        return prepare(self.outputs(), perf, mode, self.storage)

    def run(
        self,
        mode: CacheMode = CacheMode.Error,
        flags: Sequence[str] = IN_MEMORY,
        limits: Limits | None = None,
    ) -> Report:
        return self.execute(self.prepare(mode), flags, limits)

    def execute(
        self,
        prepared: Prepared,
        flags: Sequence[str] = IN_MEMORY,
        limits: Limits | None = None,
    ) -> Report:
        options = pipeline_options(flags)
        return execute(prepared, self.storage, options, False, limits=limits)

    def check(self, job: int) -> None:
        """The streams of a job hold what they should."""
        doubled = [2 * number for number in self.numbers(job)]
        assert list(self.output("doubled", job).load()) == doubled
        sums = [
            10_000 * job + sum(doubled[max(0, row - 2) : row + 1])
            for row in range(len(doubled))
        ]
        assert list(self.output("sums", job).load()) == sums

    def streams(self) -> list[NamedStream]:
        jobs = range(len(self.lengths))
        return [self.output(kind, job) for job in jobs for kind in ("doubled", "sums")]


def whole(value: Any) -> int:
    return int(value)


def alone(patch: Any) -> None:
    """Lets no stream share a task."""
    patch.setattr(merge_tasks, "_has_batches", lambda op: False)
