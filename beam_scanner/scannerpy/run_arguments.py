"""What ``Client.run`` and ``Client.explain`` are given, checked."""

from __future__ import annotations

from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.planner.perf_params import MakePerfParams, PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.scannerpy.sink import Sink


def output_nodes(outputs: Any) -> Any:
    """Outputs that sink generators made, as the core knows them."""
    if isinstance(outputs, (list, tuple)):
        return [output_nodes(each) for each in outputs]
    return outputs.node if isinstance(outputs, Sink) else outputs


def perf_maker(perf_params: Any) -> MakePerfParams:
    """What makes the packet sizes of a run.

    Raises:
        ArgumentError: It is nothing of the kind.
    """
    if perf_params is None:
        return PerfParams.estimate()
    if isinstance(perf_params, PerfParams):
        return lambda inputs, ops: perf_params
    if not callable(perf_params) or isinstance(perf_params, type):
        raise ArgumentError(
            "perf_params must be PerfParams.estimate() or PerfParams.manual(...), got "
            f"{perf_params!r}"
        )
    made: MakePerfParams = perf_params
    return made


def checked_mode(mode: Any) -> CacheMode:
    """The mode, if it is one.

    Raises:
        ArgumentError: It is not.
    """
    if not isinstance(mode, CacheMode):
        raise ArgumentError(f"cache_mode must be a CacheMode, got {mode!r}")
    return mode
