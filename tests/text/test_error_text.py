"""Whatever is raised can be told: bounded, encodable, without raising."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import pickle
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import Failure, JobFailure, Tally, causes_of
from beam_scanner.run.failure_records import failure_of
from beam_scanner.text import error_text
from beam_scanner.text.error_text import (
    MOST_MESSAGE,
    MOST_TRACEBACK,
    class_name,
    clipped,
    message_of,
    one_line,
    traceback_of,
)
from beam_scanner.text.printable import printable

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=200) | st.just(
    "\udcff\ud800"
)


class Raises(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)

    __repr__ = __str__


class GivesNoText(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class OddName(type):
    @property
    def __name__(cls) -> Any:  # type: ignore[override]
        raise ValueError("no name")


class Nameless(Exception, metaclass=OddName):
    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        return 3

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise ValueError("no cause")

    @property
    def args(self) -> Any:  # type: ignore[override]
        raise ValueError("no args")


class Text(str):
    def encode(self, *_: Any, **__: Any) -> Any:
        raise ValueError("no encoding")

    def __len__(self) -> int:
        return 3


class CannotPickle(Exception):
    def __init__(self) -> None:
        super().__init__(lambda: None)


def noted() -> BaseException:
    error = ValueError("noted")
    error.__notes__ = ["a\udcffb", 3, Raises(), "x" * 1_000_000]  # type: ignore[list-item]
    return error


def cyclic() -> BaseException:
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__cause__ = two, one
    return one


def chained() -> BaseException:
    error: BaseException = ValueError(0)
    for number in range(1, 2000):
        following = ValueError(number)
        following.__context__ = error
        error = following
    return error


def nested() -> BaseException:
    group = ExceptionGroup("deep", [ValueError("leaf")])
    for number in range(50):
        group = ExceptionGroup(f"group {number}", [group] * 20)  # type: ignore[list-item]
    return group


def recursive() -> BaseException:
    def dig(depth: int) -> int:
        return dig(depth + 1) + 1

    try:
        dig(0)
    except RecursionError as error:
        return error
    raise AssertionError


def holding_itself() -> BaseException:
    loop: list[Any] = []
    loop.append(loop)
    return ValueError(loop)


ODD = {
    "surrogate": lambda: ValueError("bad \udcff name"),
    "escapes": lambda: ValueError("\x1b[31mred\x07\r\nnext line\u202e"),
    "raises": Raises,
    "no text": GivesNoText,
    "nameless": lambda: Nameless("x"),
    "strange text": lambda: ValueError(Text("odd")),
    "no pickle": CannotPickle,
    "notes": noted,
    "cyclic": cyclic,
    "chain": chained,
    "groups": nested,
    "recursion": recursive,
    "itself": holding_itself,
    "holds one that raises": lambda: ValueError([Raises()], {Raises(): 1}),
    "cancelled": asyncio.CancelledError,
    "huge list": lambda: KeyError(list(range(1_000_000))),
    "long name": lambda: type("E" * 100_000 + "\udcff", (Exception,), {})(),
    "undecodable": lambda: UnicodeDecodeError("utf8", b"\xff" * 10, 0, 1, "bad"),
    "path": lambda: FileNotFoundError(2, "none", "film\udcff.mp4"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_exceptions_are_told(name: str) -> None:
    try:
        raise ODD[name]()  # type: ignore[operator]
    except BaseException as error:
        failure = failure_of("s\udcff", error)
    assert len(failure.reason) < 2 * MOST_MESSAGE
    assert len(failure.traceback) < MOST_TRACEBACK + 100
    assert failure.traceback
    for text in (failure.stream, failure.reason, failure.traceback, failure.exception):
        text.encode()
    assert Failure(**json.loads(json.dumps(failure._asdict()))) == failure
    assert pickle.loads(pickle.dumps(failure)) == failure
    for shown in (str(failure), str(JobFailure([failure] * 30))):
        assert len(shown) < 20_000
        assert not set(shown) & set(map(chr, [*range(9), *range(11, 32), 0x9B, 0x202E]))
    assert "\n" not in str(failure)


def test_what_never_returns_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_text, "PATIENCE", 0.2)
    seen: list[Any] = []

    class Waits(Exception):
        def __str__(self) -> str:
            seen.append(1)
            threading.Event().wait(20)
            return ""

    assert "did not return" in message_of(Waits())
    assert seen


def test_a_text_of_300_mb_is_not_copied() -> None:
    text = "x" * 300_000_000
    tracemalloc.start()
    try:
        failure = failure_of("a", ValueError(text))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "299998000 characters left out" in failure.reason
    assert peak < 20_000_000


@given(ANY_TEXT, st.integers(1, 100))
def test_any_text_is_cut_and_encodable(text: str, most: int) -> None:
    for made in (clipped(text, most), printable(text), one_line(text)):
        made.encode()
    short = clipped(text, most)
    assert len(text) > most or short.encode() == text.encode(errors="backslashreplace")


def test_a_traceback_begins_with_the_users_code(tmp_path: Path) -> None:
    from beam_scanner.errors import did_you_mean

    class Names:
        def __iter__(self) -> Any:
            raise KeyError("mine")

    try:
        did_you_mean("a", Names())
    except KeyError as error:
        lines = traceback_of(error).splitlines()
    assert "test_error_text.py" in lines[1]
    assert lines[-1] == "KeyError: 'mine'"


@pytest.mark.parametrize(
    "source", ["# é\nraise ValueError(1)\n".encode("latin-1"), None]
)
def test_source_that_cannot_be_read(tmp_path: Path, source: bytes | None) -> None:
    path = tmp_path / "gone.py"
    path.write_text("def f():\n    raise ValueError('x')\n")
    spec = importlib.util.spec_from_file_location("gone", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path.unlink() if source is None else path.write_bytes(source)
    with pytest.raises(ValueError, match="x") as raised:
        module.f()
    assert "gone.py" in traceback_of(raised.value)


def test_equal_causes_meet() -> None:
    failures = [
        Failure(
            f"films/{n}.mp4",
            f"ValueError: bad frame {n} at 0x7f{n:04x}",
            n,
            "Boom",
            "Traceback\n" + "x\n" * 1000,
            exception="ValueError",
        )
        for n in range(18)
    ]
    failures += [Failure("a", "KeyError: 'x'", 36, "Track", exception="KeyError")] * 1
    failures += [Failure("b", "KeyError: 'y'", 36, "Track", exception="KeyError")] * 1
    failures += [
        Failure(f"s{n}", "not run: too many", kind="skipped") for n in range(99)
    ]
    assert [len(cause.failures) for cause in causes_of(failures)] == [18, 2, 99]
    error = JobFailure(failures, "go on", Tally(5, 2, "/db/failures/x.parquet"))
    lines = str(error).splitlines()
    assert lines[0] == (
        "20 of 126 streams failed, 99 are not run, 5 are committed, 2 are there already:"
    )
    assert lines[1].startswith("  18 streams: op Boom: ValueError: bad frame 0 at 0x7f")
    assert lines[2] == "  2 streams: op Track, row 36: KeyError: 'x' (a; b)"
    assert "/db/failures/x.parquet" in str(error)
    assert "others are committed" not in str(error)
    assert len(str(error)) < 8000
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.failures == failures


def test_many_causes_are_bounded() -> None:
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(400)]
    failures = [Failure(word, f"reason {word} {'y' * 2000}") for word in words]
    assert len(str(JobFailure(failures))) < 20_000
    assert len(str(JobFailure(failures)).splitlines()) < 30


def test_the_name_of_a_class() -> None:
    assert class_name(Nameless()) == "Nameless"
