"""What a run is given."""

from __future__ import annotations

from typing import Any

import pytest

from beam_scanner import CacheMode, PerfParams
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import InputNode, OpColumn, OutputNode
from beam_scanner.scannerpy.run_arguments import (
    cache_mode_of,
    output_nodes,
    perf_params_of,
)
from beam_scanner.scannerpy.sink import Sink


def test_packet_sizes() -> None:
    fixed = PerfParams.manual(4, 12)([], [])
    assert perf_params_of(fixed)([], []) is fixed
    assert perf_params_of(PerfParams.manual(4, 12))([], []) == fixed
    for made in (perf_params_of(None), perf_params_of(PerfParams.estimate())):
        assert isinstance(made([], []), PerfParams)
    wrong: Any
    for wrong in (7, PerfParams, "auto"):
        with pytest.raises(ArgumentError, match="perf_params must be PerfParams"):
            perf_params_of(wrong)


def test_cache_modes() -> None:
    assert cache_mode_of(CacheMode.Ignore) is CacheMode.Ignore
    with pytest.raises(ArgumentError, match="cache_mode must be a CacheMode"):
        cache_mode_of("ignore")


def test_outputs_of_sinks() -> None:
    node = OutputNode(OpColumn(InputNode(())), ())
    sink = Sink.__new__(Sink)
    sink.node = node
    assert output_nodes([node, sink]) == [node, node]
    assert output_nodes(sink) is node
