"""A generator whose result is wanted, and which is closed whatever happens."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from beam_scanner.run.tasks.generator_result import WithResult


def numbers(closed: list[str]) -> Generator[int, None, str]:
    try:
        yield from range(3)
    finally:
        closed.append("closed")
    return "sum"


def test_it_gives_all_and_keeps_the_result() -> None:
    closed: list[str] = []
    steps = WithResult(numbers(closed))
    assert list(steps) == [0, 1, 2]
    assert steps.result == "sum"
    assert closed == ["closed"]


def test_who_leaves_early_closes_it_and_has_no_result() -> None:
    closed: list[str] = []
    with WithResult(numbers(closed)) as steps:
        inside: Iterator[int] = iter(steps)
        assert next(inside) == 0
        assert closed == []
    assert closed == ["closed"]
    assert not hasattr(steps, "result")


def test_what_the_consumer_raises_closes_it() -> None:
    closed: list[str] = []

    def consume() -> None:
        with WithResult(numbers(closed)) as steps:
            for number in steps:
                raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError, match="0"):
        consume()
    assert closed == ["closed"]
