"""Exceptions whose classes raise wherever they are asked are read like others."""

from __future__ import annotations

import pytest

from beam_scanner.text.error_text import message_of, traceback_of
from beam_scanner.text.exception_parts import (
    args_of,
    cause_of,
    context_of,
    is_a,
    members_of,
    notes_of,
    traceback_in,
    values_of,
)
from tests.support.odd_exceptions import odd_class

READ = [
    "__class__",
    "__traceback__",
    "__cause__",
    "__context__",
    "__suppress_context__",
    "__notes__",
    "__dict__",
    "args",
    "exceptions",
]


@pytest.mark.parametrize("what", [*READ, "__getattribute__"])
def test_a_class_that_raises_hides_nothing(what: str) -> None:
    make = odd_class(what)
    first, odd = LookupError("first"), make()
    try:
        raise odd from first
    except BaseException as error:
        caught = error
    values_of(caught)["__notes__"] = ["a note"]
    assert is_a(caught, ValueError)
    assert not is_a(caught, (KeyError, OSError))
    assert args_of(caught) == ("text",)
    assert cause_of(caught) is first
    assert context_of(caught) is None
    assert list(notes_of(caught)) == ["a note"]
    assert members_of(caught) == ()
    trace = traceback_in(caught)
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == "test_a_class_that_raises_hides_nothing"
    assert message_of(caught) == "text"
    told = traceback_of(caught)
    for part in ("LookupError: first", "raise odd from first", "Odd: text", "a note"):
        assert part in told


@pytest.mark.parametrize("what", [*READ, "__getattribute__"])
def test_members_of_a_group_that_raises(what: str) -> None:
    odd = odd_class(what, "group")()
    assert [type(member) for member in members_of(odd)] == [KeyError]
    assert "KeyError: 'inside'" in traceback_of(odd)


def test_what_is_told_of_contexts() -> None:
    error, before = ValueError(), KeyError()
    error.__context__ = before
    assert context_of(error) is before
    error.__cause__ = None
    assert context_of(error) is None
    error.__notes__ = 3  # type: ignore[assignment]
    assert notes_of(error) == ()
