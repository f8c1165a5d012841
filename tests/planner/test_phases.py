"""Where graphs are cut so that an op in order does not hold up the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from beam_scanner.graph import (
    InputNode,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceNode,
    UnsliceNode,
    topological,
)
from beam_scanner.kernels import read_spec
from beam_scanner.planner.phases import INTERNAL, Family, split_phases
from beam_scanner.sampling import Stride, StridedPartition
from beam_scanner.storage.backend import StoredStream
from beam_scanner.types import FrameType, get_type_info


class Fake(StoredStream):
    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


def one(config: Any, x: Any) -> Any:
    return x


def see(config: Any, frame: FrameType) -> Any:
    return frame.sum()


def draw(config: Any, frame: FrameType, x: Any) -> FrameType:
    return frame


def paint(config: Any, frame: FrameType) -> FrameType:
    return frame


def whole(config: Any, x: Sequence[Any]) -> Sequence[Any]:
    return x


ONE = read_spec(one, "One")
SEE = read_spec(see, "See")
DRAW = read_spec(draw, "Draw")
TRACK = read_spec(one, "Track", unbounded_state=True)
PAINT = read_spec(paint, "Paint", unbounded_state=True)
WHOLE = read_spec(whole, "Whole", whole_stream=True)


def frames() -> OpColumn:
    return OpColumn(InputNode((Fake("in"),)))


def blobs() -> OpColumn:
    return OpColumn(InputNode((Fake("in"),)), 0, get_type_info(Any))


def call(spec: Any, *columns: OpColumn) -> OpColumn:
    return OpNode(spec, columns).outputs()[0]


def split(*columns: OpColumn) -> list[Family]:
    outputs = [OutputNode(c, (Fake(f"out{i}"),)) for i, c in enumerate(columns)]
    return split_phases(outputs, lambda column, k: (Fake(f"kept{k}"),))


def shape(families: list[Family]) -> list[tuple[int, list[str], list[list[str]]]]:
    """Phase, written streams and ops of each family."""
    return [
        (
            family.phase,
            [output.streams[0].name() for output in family.outputs],
            [
                [node.label for node in topological([output])]
                for output in family.outputs
            ],
        )
        for family in families
    ]


def test_a_graph_without_ops_in_order_is_one_family() -> None:
    column = frames()
    found = split(call(SEE, column), call(ONE, call(SEE, column)))
    assert [(family.phase, family.numbers) for family in found] == [(0, (0, 1))]


def test_what_an_op_in_order_takes_is_made_before_in_parallel() -> None:
    found = split(call(WHOLE, call(SEE, frames())))
    assert shape(found) == [
        (0, ["kept0"], [["Input", "See", "Output"]]),
        (1, ["out0"], [["Input", "Whole", "Output"]]),
    ]
    assert [family.numbers for family in found] == [(INTERNAL,), (0,)]


def test_what_others_make_of_its_results_is_done_after_in_parallel() -> None:
    column = frames()
    tracks = call(TRACK, call(SEE, column))
    found = split(call(DRAW, column, tracks), tracks)
    assert shape(found) == [
        (0, ["kept0"], [["Input", "See", "Output"]]),
        (1, ["kept1", "out1"], [["Input", "Track", "Output"]] * 2),
        (2, ["out0"], [["Input", "Input", "Draw", "Output"]]),
    ]


def test_stored_blobs_need_no_cut() -> None:
    found = split(call(TRACK, blobs()))
    assert [(family.phase, family.numbers) for family in found] == [(0, (0,))]


def test_frames_of_an_op_in_order_are_never_kept() -> None:
    found = split(call(SEE, call(PAINT, frames())))
    assert shape(found) == [(0, ["out0"], [["Input", "Paint", "See", "Output"]])]


def test_frames_and_blobs_of_an_op_in_order_are_used_in_its_own_task() -> None:
    painted = call(PAINT, frames())
    found = split(call(DRAW, painted, call(SEE, painted)))
    assert [family.phase for family in found] == [0]


def test_nothing_is_cut_inside_a_slice() -> None:
    sliced = OpColumn(SliceNode(blobs(), (StridedPartition(1, 5),)), 0, blobs().type)
    column = OpColumn(UnsliceNode(call(TRACK, call(ONE, sliced))), 0, blobs().type)
    assert [family.phase for family in split(column)] == [0]
    after = split(call(ONE, column))
    assert [(family.phase, family.numbers) for family in after] == [
        (0, (INTERNAL,)),
        (1, (0,)),
    ]


def test_a_column_that_two_ops_need_is_kept_once() -> None:
    seen = call(SEE, frames())
    found = split(call(TRACK, seen), call(WHOLE, seen))
    assert [(f.phase, f.numbers) for f in found] == [
        (0, (INTERNAL,)),
        (1, (0,)),
        (1, (1,)),
    ]


def test_ops_in_order_with_tasks_of_their_own_do_not_share_a_family() -> None:
    column = blobs()
    found = split(call(TRACK, column), call(ONE, column))
    assert [(f.phase, f.numbers) for f in found] == [(0, (0,)), (0, (1,))]


@pytest.mark.parametrize("spec", [TRACK, WHOLE])
def test_a_sampler_before_an_op_in_order_is_applied_before_the_cut(spec: Any) -> None:
    seen = call(SEE, frames())
    few = OpColumn(SampleNode(seen, "Stride", (Stride(3),)), 0, seen.type)
    found = split(call(spec, few))
    assert shape(found)[0] == (
        0,
        ["kept0"],
        [["Input", "See", "Stride", "Output"]],
    )
