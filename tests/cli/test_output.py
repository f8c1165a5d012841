"""What the command prints can be printed, and is nothing that a terminal obeys."""

from __future__ import annotations

import io
import logging
import sys
import warnings

import pytest

from beam_scanner.cli.output import print_exception, printable_warnings, put


def test_lines_and_errors_go_where_they_belong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("a\tb\nc\x1b[2J")
    put("bad\udc80", error=True)
    assert capsys.readouterr() == ("a\tb\nc\\x1b[2J\n", "bad\\udc80\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    put("한국")
    sys.stdout.flush()
    shown = "한국" if encoding == "utf-8" else "\\ud55c\\uad6d"
    assert raw.getvalue().decode(encoding) == f"{shown}\n"


def test_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("\x1b[31m")
    except ValueError as error:
        print_exception(type(error), error, error.__traceback__)
    text = capsys.readouterr().err
    assert text.startswith("Traceback")
    assert text.endswith("ValueError: \\x1b[31m\n")


def test_warnings_are_made_printable_and_nothing_stays_changed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, before = logging.getLogger(), warnings.formatwarning
    monkeypatch.setattr(root, "handlers", [])
    with printable_warnings():
        assert warnings.formatwarning is not before
        root.warning("log \x1b[31m")
        assert len(root.handlers) == 1
    assert warnings.formatwarning is before
    assert root.handlers == []
    assert capsys.readouterr().err == "log \\x1b[31m\n"


def test_handlers_of_the_callers_own_stay_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = logging.NullHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [own])
    with printable_warnings():
        assert logging.getLogger().handlers == [own]
