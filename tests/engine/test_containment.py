"""Whatever users' code raises becomes an Exception, except the user's own interrupt."""

from __future__ import annotations

import asyncio
import pickle
import signal
import threading
from collections.abc import Iterator

import pytest

from beam_scanner.engine.containment import (
    ForeignError,
    contained,
    foreign,
    is_interrupt,
)


class Panic(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "name", "said"),
    [
        (SystemExit(3), "SystemExit", "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit", "GeneratorExit"),
        (asyncio.CancelledError("late"), "CancelledError", "CancelledError: late"),
        (Panic("at 7"), "Panic", "Panic: at 7"),
        (StopIteration(5), "StopIteration", "StopIteration: 5"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_what_is_no_exception_becomes_one(
    error: BaseException, name: str, said: str
) -> None:
    with pytest.raises(ForeignError) as caught, contained("reading"):
        raise error
    assert str(caught.value).startswith("reading raised ")
    assert str(caught.value).endswith(said)
    assert caught.value.exception.endswith(name)
    assert caught.value.__cause__ is error


def test_exceptions_and_results_pass() -> None:
    error = ValueError("x")
    with pytest.raises(ValueError, match="x") as caught, contained("reading"):
        raise error
    assert caught.value is error
    with contained("reading"):
        found = 7
    assert found == 7


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Interrupts of Python's own kind, also where a shell has ignored the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_of_the_user_is_known_by_where_it_came_from() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, contained("reading"):
        signal.raise_signal(signal.SIGINT)
    assert is_interrupt(caught.value)
    with pytest.raises(KeyboardInterrupt) as raised:
        raise KeyboardInterrupt
    assert not is_interrupt(raised.value)
    assert not is_interrupt(KeyboardInterrupt())
    assert not is_interrupt(ValueError())


@pytest.mark.usefixtures("interrupts")
def test_other_threads_are_never_interrupted_by_the_user() -> None:
    found: list[bool] = []

    def work(interrupt: KeyboardInterrupt) -> None:
        found.append(is_interrupt(interrupt))

    with pytest.raises(KeyboardInterrupt) as caught:
        signal.raise_signal(signal.SIGINT)
    thread = threading.Thread(target=work, args=[caught.value])
    thread.start()
    thread.join()
    assert found == [False]


def test_it_travels_between_processes() -> None:
    error = foreign("opening", Panic("x"))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.exception) == (str(error), error.exception)
