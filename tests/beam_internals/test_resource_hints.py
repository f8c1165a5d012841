"""Resource hints are parsed and merged as Beam does it."""

from __future__ import annotations

import pytest

from beam_scanner.beam_internals.resource_hints import merge_hints, parse_hints


def test_hints_by_urn() -> None:
    hints = parse_hints({"accelerator": "type:nvidia-l4;count:1", "min_ram": "2GB"})
    assert hints == {
        "beam:resources:accelerator:v1": b"type:nvidia-l4;count:1",
        "beam:resources:min_ram_bytes:v1": b"2000000000",
    }


@pytest.mark.parametrize("hints", [{"no_such": 1}, {"min_ram": "much"}])
def test_what_beam_does_not_know(hints: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no_such|much"):
        parse_hints(hints)


def test_of_two_sizes_the_larger_and_else_the_inner() -> None:
    outer = parse_hints({"min_ram": "2GB", "accelerator": "type:a;count:1"})
    inner = parse_hints({"min_ram": "1GB", "accelerator": "type:b;count:1"})
    wanted = parse_hints({"min_ram": "2GB", "accelerator": "type:b;count:1"})
    assert merge_hints(outer, inner) == wanted
    assert merge_hints(outer, {}) == outer
    assert merge_hints({}, inner) == inner
