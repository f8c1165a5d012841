"""Streams that a pipeline finds become jobs; those that cannot are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from apache_beam.pvalue import TaggedOutput

from beam_scanner.errors import ScannerException
from beam_scanner.run import bind_streams
from beam_scanner.run.bind_streams import Bind
from beam_scanner.run.stream_slots import SourceSlot


class Sources:
    """A program of two sources, whose jobs are what was found."""

    whole_slots: tuple[Any, ...] = ("sink",)
    sources = tuple(
        SourceSlot(number, lambda *_: None, None, f"source {number}")
        for number in range(2)
    )

    def bind(self, name: str, paths: Sequence[str]) -> tuple[str, list[str]]:
        if name == "bad":
            raise ValueError("no such file")
        return name, list(paths)


def bound(
    monkeypatch: pytest.MonkeyPatch, name: str, *found: Sequence[str]
) -> list[Any]:
    monkeypatch.setattr(bind_streams, "Program", Sources)
    step = Bind()
    step.source = Sources()  # type: ignore[assignment]
    return list(step.process((name, found)))


def test_a_name_that_every_source_has_is_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    # A runner may give the same path twice.
    assert bound(monkeypatch, "a", ["x/a", "x/a"], ["y/a"]) == [[("a", ["x/a", "y/a"])]]


@pytest.mark.parametrize(
    ("name", "found", "reason"),
    [
        ("a", (["x/a"], []), "source 1 has no stream 'a' to join with"),
        ("a", (["2/a", "1/a"], ["y/a"]), "two streams named 'a': 1/a and 2/a; give"),
        ("bad", (["x"], ["y"]), "ValueError: no such file"),
    ],
)
def test_what_cannot_be_bound_is_a_failure_of_its_stream(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    found: tuple[list[str], list[str]],
    reason: str,
) -> None:
    (told,) = bound(monkeypatch, name, *found)
    assert isinstance(told, TaggedOutput)
    assert told.tag == "failures"
    assert (told.value.stream, told.value.kind) == (name, "input")
    assert reason in told.value.reason
    assert told.value.ended is not None


def test_a_program_that_makes_nothing_binds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Sources, "whole_slots", ())
    assert bound(monkeypatch, "a", ["x"], []) == []


def test_one_path_is_the_only_one() -> None:
    assert bind_streams._only("a", "source", iter(["x", "x"])) == "x"
    with pytest.raises(ScannerException, match="has no stream"):
        bind_streams._only("a", "source", [])
