from __future__ import annotations

from typing import Any

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.scannerpy.run_arguments import checked_mode, output_nodes, perf_maker


def test_packet_sizes_in_every_form() -> None:
    sizes = PerfParams(2, 4)
    assert perf_maker(sizes)([], []) is sizes
    assert perf_maker(PerfParams.manual(2, 4))([], []) == sizes
    assert callable(perf_maker(None))


@pytest.mark.parametrize("wrong", [7, "auto", PerfParams])
def test_what_makes_no_packet_sizes(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="perf_params must be"):
        perf_maker(wrong)


def test_modes_are_checked() -> None:
    assert checked_mode(CacheMode.Ignore) is CacheMode.Ignore
    with pytest.raises(ArgumentError, match="cache_mode must be a CacheMode, got 1"):
        checked_mode(1)


def test_outputs_stay_as_they_are() -> None:
    one, other = object(), object()
    assert output_nodes(one) is one
    assert output_nodes((one, [other])) == [one, [other]]
