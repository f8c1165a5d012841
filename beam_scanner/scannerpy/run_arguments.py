"""What a run is given, checked, and as the core knows it."""

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


def perf_params_of(perf_params: Any) -> MakePerfParams:
    """What chooses the packet sizes of a run.

    Raises:
        ArgumentError: It is no ``PerfParams``.
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


def cache_mode_of(mode: Any) -> CacheMode:
    """The cache mode itself.

    Raises:
        ArgumentError: It is something else.
    """
    if not isinstance(mode, CacheMode):
        raise ArgumentError(f"cache_mode must be a CacheMode, got {mode!r}")
    return mode
