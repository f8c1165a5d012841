"""The type of a model's results."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels.inference.model_kinds import model_kind
from beam_scanner.kernels.inference.result_types import result_ports
from beam_scanner.types import FrameType, Histogram
from tests.support.models import Means, NumberHandler


def label(scores: Any) -> str:
    return str(scores)


def pair(scores: Any) -> tuple[int, float]:
    return 1, scores


class Scaled:
    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, value: float) -> float:
        return self.by * value

    def method(self, value: float) -> Histogram:
        return []


def names(postprocess: Any, model: Any = len) -> list[str]:
    ports, _ = result_ports("Infer", postprocess, model_kind(model))
    return [port.type_name for port in ports]


def test_the_annotation_of_postprocess() -> None:
    assert names(label) == ["str"]
    assert names(Scaled(2)) == ["float"]
    assert names(Scaled(2).method) == ["Histogram"]
    assert names(functools.partial(label)) == ["str"]
    assert names(lambda value: value) == ["Any"]
    assert names(str.upper) == ["Any"]
    assert names(float) == ["float"]


def test_a_pair_is_two_outputs() -> None:
    ports, is_tuple = result_ports("Infer", pair, model_kind(len))
    assert [port.name for port in ports] == ["ret0", "ret1"]
    assert [port.type_name for port in ports] == ["int", "float"]
    assert is_tuple


def test_frames() -> None:
    def painted(value: Any) -> FrameType:
        return value

    assert names(painted) == ["FrameType"]


def test_a_local_type_is_found() -> None:
    from beam_scanner.types import BboxList as Boxes

    def boxes(value: Any) -> Boxes:
        return value

    assert names(boxes) == ["BboxList"]


def test_without_postprocess_the_model_says() -> None:
    def of_list(batch: Any) -> list[int]:
        return batch

    def of_sequence(batch: Any) -> Sequence[FrameType]:
        return batch

    def of_array(batch: Any) -> Any:
        return batch

    found = [names(None, each) for each in (of_list, of_sequence, of_array, Means, len)]
    assert found == [["int"], ["FrameType"], ["Any"], ["float"], ["Any"]]


def test_a_handlers_last_function_says() -> None:
    handler = NumberHandler("/nowhere")
    assert names(None, handler) == ["Any"]
    with_label = handler.with_postprocess_fn(len).with_postprocess_fn(label)
    assert names(None, with_label) == ["str"]
    assert names(Scaled(1), with_label) == ["float"]


def test_an_unknown_type_is_an_error() -> None:
    def weird(value: Any) -> complex:
        return value

    with pytest.raises(
        ElementTypeError, match="the output of op Infer: Type `complex`"
    ):
        names(weird)
