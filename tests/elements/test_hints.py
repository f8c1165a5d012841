"""Beam reads no annotations that are strings."""

from __future__ import annotations

from typing import Any

from apache_beam.typehints.decorators import get_signature

from beam_scanner.elements.hints import unread


def test_annotations_are_any_and_the_function_stays() -> None:
    def double(x: int, *more: float) -> int:
        return 2 * x

    assert double.__annotations__ == {"x": "int", "more": "float", "return": "int"}
    assert unread(double) is double
    assert double.__annotations__ == {"x": Any, "more": Any, "return": Any}
    assert double(4) == 8


def test_beam_finds_no_types_to_check() -> None:
    @unread
    def named(x: str) -> str:
        return x

    signature = get_signature(named)
    assert signature.parameters["x"].annotation is Any
    assert signature.return_annotation is Any
