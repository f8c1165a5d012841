"""Packet sizes: how many rows a task makes, and how many are in memory at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from beam_scanner.errors import ArgumentError, did_you_mean
from beam_scanner.planner.cut_tasks import work_packet
from beam_scanner.rows.whole_numbers import as_whole_number
from beam_scanner.video.decoder_names import check_decoder

MakePerfParams = Callable[[Sequence[Any], Sequence[Any]], "PerfParams"]
"""From the input streams and the op nodes of a graph to its packet sizes."""

_LOCAL_ONLY = "has no meaning on Beam and is ignored; {}"
_ADVICE = {
    "cpu_pool": "memory is bounded by work_packet_size",
    "gpu_pool": "memory is bounded by work_packet_size",
    "pipeline_instances_per_node": "set the number of workers in the Beam options",
    "load_sparsity_threshold": "reads are planned row by row",
    "queue_size_per_pipeline": "reads run a fixed number of packets ahead",
}
_DEFAULTS = {"load_sparsity_threshold": 8, "queue_size_per_pipeline": 4}
_NAMES = ("work_packet_size", "io_packet_size", "decoder", *_ADVICE)


@dataclass(frozen=True)
class PerfParams:
    """Packet sizes; results do not depend on ``work_packet_size``.

    Attributes:
        work_packet_size: Rows that flow through a task at a time, and so about how
            many frames are in memory.
        io_packet_size: Output rows a task, about; 0 lets the planner choose by what
            a task must decode. Each task starts a new lossy encoding, so
            this may change pixels of lossy video, never anything else.
        decoder: Where videos are decoded: 'cpu', or 'cuda' for the GPUs of workers. The
            pixels of a GPU are others, and so are the fingerprints of what is made of
            them. It is never chosen by the machine.
        cpu_pool: Scanner's; kept, with a warning if it is given, like all that follow.
        gpu_pool: Scanner's.
        pipeline_instances_per_node: Scanner's.
        load_sparsity_threshold: Scanner's.
        queue_size_per_pipeline: Scanner's.

    Raises:
        ArgumentError: A size is impossible, or there is no such decoder.

    Examples:
        >>> PerfParams.manual(32, 960)([], [])
        PerfParams(work_packet_size=32, io_packet_size=960, decoder='cpu')
    """

    work_packet_size: int
    io_packet_size: int
    cpu_pool: str | None = field(default=None, repr=False, compare=False)
    gpu_pool: str | None = field(default=None, repr=False, compare=False)
    pipeline_instances_per_node: int | None = field(
        default=None, repr=False, compare=False
    )
    load_sparsity_threshold: int = field(default=8, repr=False, compare=False)
    queue_size_per_pipeline: int = field(default=4, repr=False, compare=False)
    decoder: str = field(default="cpu", kw_only=True)

    def __post_init__(self) -> None:
        changed = {n: getattr(self, n) for n in _ADVICE}
        given = {n: v for n, v in changed.items() if v != _DEFAULTS.get(n)}
        _warn(given, stacklevel=4)
        check_decoder(self.decoder)
        for name in ("work_packet_size", "io_packet_size"):
            size = as_whole_number(getattr(self, name))
            if size is None:
                raise ArgumentError(
                    f"{name} must be a number of rows, got {getattr(self, name)!r}"
                )
            object.__setattr__(self, name, size)
        if self.work_packet_size < 1:
            raise ArgumentError(
                f"work_packet_size must be at least 1, got {self.work_packet_size}"
            )
        if self.io_packet_size < 0:
            raise ArgumentError(
                f"io_packet_size must be at least 1, got {self.io_packet_size}"
            )
        if self.io_packet_size % self.work_packet_size and self.io_packet_size:
            raise ArgumentError(
                f"IO packet size ({self.io_packet_size}) must be a multiple of work "
                f"packet size ({self.work_packet_size})."
            )

    @classmethod
    def manual(
        cls,
        work_packet_size: int,
        io_packet_size: int,
        *,
        decoder: str = "cpu",
        **others: Any,
    ) -> MakePerfParams:
        """Exactly these sizes.

        Args:
            work_packet_size: See the class.
            io_packet_size: See the class; -1 for ``work_packet_size``.
            decoder: See the class.
            **others: Scanner's further parameters, which only warn.

        Returns:
            What ``Client.run`` takes.

        Raises:
            ArgumentError: A size is impossible, or there is no such parameter or
                decoder.
        """
        _warn(others)
        io = work_packet_size if io_packet_size == -1 else io_packet_size
        if io == 0:
            raise ArgumentError("io_packet_size must be at least 1, got 0")
        made = cls(work_packet_size, io, decoder=decoder)._keep(others)
        return lambda inputs, ops: made

    @classmethod
    def estimate(
        cls,
        max_memory_util: float = 0.7,
        total_memory: int | None = None,
        work_io_ratio: float = 0.2,
        queue_size_per_pipeline: int = 4,
        *,
        decoder: str = "cpu",
        **others: Any,
    ) -> MakePerfParams:
        """Sizes chosen from graph and streams, never from this machine.

        Args:
            max_memory_util: Ignored: equal graphs get equal sizes everywhere.
            total_memory: Ignored likewise.
            work_io_ratio: Ignored likewise.
            queue_size_per_pipeline: Ignored likewise.
            decoder: See the class.
            **others: As for ``manual``.

        Returns:
            What ``Client.run`` takes.

        Raises:
            ArgumentError: There is no such parameter or decoder.
        """
        _warn(others)
        check_decoder(decoder)
        return lambda inputs, ops: cls(
            work_packet(stream.estimate_size() for stream in inputs),
            0,
            decoder=decoder,
        )._keep(others)

    def _keep(self, others: dict[str, Any]) -> PerfParams:
        """Keeps Scanner's parameters, of which the user has been warned."""
        for name, value in others.items():
            object.__setattr__(self, name, value)
        return self


def _warn(others: dict[str, Any], stacklevel: int = 3) -> None:
    for name in others:
        if name not in _ADVICE:
            raise ArgumentError(
                f"PerfParams has no parameter {name!r}"
                f"{did_you_mean(name, _NAMES) or '.'} It has {', '.join(_NAMES)}"
            )
        warnings.warn(
            f"{name} {_LOCAL_ONLY.format(_ADVICE[name])}", stacklevel=stacklevel
        )
