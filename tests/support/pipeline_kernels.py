"""Kernels that tell which rows they have seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beam_scanner import protobufs
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.transforms import op
from beam_scanner.types import BboxList, FrameType
from tests.support.video_fixtures import frame_number


def _number(config: Any, frame: FrameType) -> int:
    return frame_number(frame)


Number = op(register_python_op(name="PipelineNumber")(_number))
"""Which frame it is."""


class _Count(Kernel):
    def __init__(self, config: Any, start: int = 0) -> None:
        self.start = start

    def new_stream(self, add: int = 0) -> None:
        self.add = add

    def reset(self) -> None:
        self.rows = self.start

    def execute(self, x: int) -> tuple[int, int]:
        self.rows += 1
        return self.rows + self.add, x


Count = op(register_python_op(name="PipelineCount", unbounded_state=True)(_Count))
"""How many rows it has seen of its slice group, and the row; in order."""


class _Recent(Kernel):
    def reset(self) -> None:
        self.seen: list[int] = []

    def execute(self, x: int) -> Any:
        self.seen = [*self.seen, x][-3:]
        return list(self.seen)


Recent = op(register_python_op(name="PipelineRecent", bounded_state=2)(_Recent))
"""The row and the two before it."""


def _window(config: Any, x: Sequence[int]) -> Any:
    return list(x)


Window = op(register_python_op(name="PipelineWindow", stencil=[-1, 0, 1])(_window))
"""The rows of its window."""


def _batch(config: Any, x: Sequence[int]) -> Sequence[Any]:
    return [(len(x), value) for value in x]


Batch = op(register_python_op(name="PipelineBatch", batch=4)(_batch))
"""The row, and how many were given with it."""


def _rank(config: Any, x: Sequence[int]) -> Sequence[int]:
    order = sorted(x)
    return [order.index(value) for value in x]


Rank = op(register_python_op(name="PipelineRank", whole_stream=True)(_rank))
"""The place of a row among all of its group."""


def _add(config: Any, *x: int) -> int:
    return sum(x)


Add = op(register_python_op(name="PipelineAdd")(_add))
"""The sum of any number of columns."""


def _minus(config: Any, left: int, right: int) -> int:
    return left - right


Minus = op(register_python_op(name="PipelineMinus")(_minus))
"""What two columns differ by."""


def _unlike(config: Any, left: FrameType, right: FrameType) -> int:
    return frame_number(left) - frame_number(right)


Unlike = op(register_python_op(name="PipelineUnlike")(_unlike))
"""What the numbers of two frames differ by."""


def _halves(config: Any, frame: FrameType) -> tuple[int, FrameType]:
    return frame_number(frame), frame[::2]


Halves = op(register_python_op(name="PipelineHalves")(_halves))
"""Which frame it is, and every other line of it."""


@register_python_op(name="GraphAdd")
def _add_two(config: Any, x: int, y: int) -> int:
    return x + y


@register_python_op(name="GraphNext")
def _next(config: Any, x: int) -> int:
    return x + 1


AddTwo, Next = op(_add_two), op(_next)


def _boxes(config: Any, frame: FrameType) -> BboxList:
    number = frame_number(frame)
    return [
        protobufs.BoundingBox(x1=number / 8, label=label) for label in range(number % 3)
    ]


Boxes = op(_boxes)
"""Up to two boxes, as many as the number of the frame says."""


def _mean(config: Any, frame: FrameType) -> float:
    return frame.mean()


Mean = op(_mean)
"""Of all values of the frame."""
