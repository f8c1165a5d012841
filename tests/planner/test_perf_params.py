"""Packet sizes, and what is refused of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.planner.perf_params import PerfParams


def test_given_sizes_are_taken() -> None:
    made = PerfParams.manual(np.int64(8), 48)([], [])  # type: ignore[arg-type]
    assert (made.work_packet_size, made.io_packet_size) == (8, 48)
    assert type(made.work_packet_size) is int
    assert PerfParams.manual(8, -1)([], []).io_packet_size == 8


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        ((0, 8), "work_packet_size must be at least 1, got 0"),
        ((8, -2), "io_packet_size must be at least 1, got -2"),
        ((8, 12), r"IO packet size \(12\) must be a multiple"),
        ((True, 8), "work_packet_size must be a number of rows, got True"),
        ((8.0, 8), "work_packet_size must be a number of rows, got 8.0"),
        ((8, "8"), "io_packet_size must be a number of rows, got '8'"),
    ],
)
def test_impossible_sizes(sizes: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        PerfParams(*sizes)


def test_scanners_other_parameters_only_warn() -> None:
    with pytest.warns(UserWarning, match="queue_size_per_pipeline has no meaning"):
        PerfParams.manual(8, 48, queue_size_per_pipeline=4)
    with pytest.warns(UserWarning, match="gpu_pool has no meaning") as warned:
        PerfParams(8, 48, None, "2G", None, 8, 4)
    assert [each.filename for each in warned] == [__file__]
    with pytest.warns(UserWarning, match="cpu_pool has no meaning"):
        kept = PerfParams.manual(8, 48, cpu_pool="8G")([], [])
    assert kept.cpu_pool == "8G"
    assert kept == PerfParams(8, 48)
    with pytest.raises(ArgumentError, match="did you mean cpu_pool"):
        PerfParams.manual(8, 48, cpu_pol="8G")


def test_estimates_depend_on_the_streams_alone() -> None:
    small = SimpleNamespace(estimate_size=lambda: 100)
    large = SimpleNamespace(estimate_size=lambda: 100 << 20)
    estimate = PerfParams.estimate()
    assert estimate([small], []).io_packet_size == 0
    most, least = (estimate([s], []).work_packet_size for s in (small, large))
    assert most > least >= 1
    assert PerfParams.estimate(max_memory_util=0.1)([large], []) == estimate(
        [large], []
    )
