"""Tracebacks that end in the user's line and ours."""

from __future__ import annotations

from beam_scanner import NamedStorage, NamedStream
from beam_scanner.errors import ArgumentError, KernelError, ScannerException
from beam_scanner.text.cell_tracebacks import cell_traceback


def caught(call: object) -> ScannerException:
    try:
        call()  # type: ignore[operator]
    except ScannerException as error:
        return error
    raise AssertionError


def test_only_lines_of_the_user_are_left() -> None:
    def cell() -> None:
        NamedStream(NamedStorage("/nowhere"), "")

    error = caught(cell)
    lines = cell_traceback(error)
    assert lines[0] == "Traceback (most recent call last):"
    text = "\n".join(lines)
    assert 'NamedStream(NamedStorage("/nowhere"), "")' in text
    assert "beam_scanner/storage" not in text
    assert lines[-1] == f"ArgumentError: {error}"
    assert error._render_traceback_() == lines


def test_code_of_users_that_we_called_is_left_too() -> None:
    def outer() -> None:
        def kernel(value: int) -> None:
            raise KernelError(f"row {value}")

        kernel(7)

    text = "\n".join(cell_traceback(caught(outer)))
    assert "kernel(7)" in text
    assert 'raise KernelError(f"row {value}")' in text


def test_an_error_that_was_not_raised() -> None:
    assert cell_traceback(ArgumentError("no")) == ["ArgumentError: no"]
