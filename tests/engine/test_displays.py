"""Display properties that outputs take over from their source."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from beam_scanner.engine.displays import keep_displays
from beam_scanner.graph.nodes import (
    InputNode,
    OpColumn,
    OpNode,
    OutputNode,
    topological,
)
from beam_scanner.kernels import read_spec
from beam_scanner.planner.bound import BoundOutput, BoundSource, SourceInfo, bind
from beam_scanner.types import FrameType
from beam_scanner.video.display import UNSPECIFIED, Display
from tests.support.fake_reader import FakeReader

SHOWN = Display(Fraction(4, 3), primaries=9, transfer=16, width=64, height=48)


class Shown(FakeReader):
    shown: Display | None = SHOWN

    @property
    def display(self) -> Display | None:
        return self.shown


class Told:
    """A writer that only notes what it is told."""

    display: Display | None = None

    def keep_display(self, display: Display) -> None:
        self.display = display


def plain(config: Any, frame: FrameType) -> FrameType:
    return frame


def told(ops: Sequence[str], shown: Display | None = SHOWN) -> Display | None:
    """What the output of a chain of ops is told."""

    class Stream:
        def name(self) -> str:
            return "film"

    source = InputNode((Stream(),))  # type: ignore[arg-type]
    column = OpColumn(source, 0, None)
    for name in ops:
        column = OpColumn(OpNode(read_spec(plain, name), (column,)), 0, None)
    nodes = topological([OutputNode(column, (Stream(),))])  # type: ignore[arg-type]
    graph = bind(nodes, 0, {id(source): SourceInfo("film", 3)})
    reader = Shown([np.zeros((48, 64, 3), np.uint8)] * 3, "frame")
    reader.shown = shown
    (at,) = [i for i, n in enumerate(graph.nodes) if isinstance(n, BoundSource)]
    (end,) = [i for i, n in enumerate(graph.nodes) if isinstance(n, BoundOutput)]
    writer = Told()
    keep_displays(graph, {at: reader}, {end: writer})  # type: ignore[dict-item]
    return writer.display


@pytest.mark.parametrize("ops", [[], ["Blur"], ["Pass", "DrawBboxes"]])
def test_ops_that_keep_colours_keep_all(ops: list[str]) -> None:
    assert told(ops) == SHOWN


@pytest.mark.parametrize("ops", [["Resize"], ["Blur", "Resize"]])
def test_who_scales_says_so(ops: list[str]) -> None:
    found = told(ops)
    assert found is not None
    assert found.scales
    assert (found.primaries, found.transfer) == (9, 16)


@pytest.mark.parametrize("ops", [["OfAUser"], ["Resize", "OfAUser", "Blur"]])
def test_of_other_ops_nobody_knows_what_they_do_to_colours(ops: list[str]) -> None:
    found = told(ops)
    assert found is not None
    assert (found.primaries, found.transfer) == (UNSPECIFIED, UNSPECIFIED)
    assert found.scales is ("Resize" in ops)


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert told([], None) is None
