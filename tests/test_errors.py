"""One root of all errors, and what is said of streams that failed."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from beam_scanner import errors
from beam_scanner.errors import (
    Failure,
    JobFailure,
    ScannerException,
    Tally,
    causes_of,
    did_you_mean,
)

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, Exception) and found.__module__ == errors.__name__
]


def test_all_errors_have_one_root() -> None:
    assert len(CLASSES) > 15
    assert all(issubclass(found, ScannerException) for found in CLASSES)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ArgumentError", ValueError),
        ("ElementTypeError", TypeError),
        ("RowError", IndexError),
        ("OpNotFoundError", AttributeError),
        ("StreamNotFoundError", FileNotFoundError),
        ("StreamExistsError", FileExistsError),
        ("StorageError", OSError),
        ("UntrustedDataError", PermissionError),
        ("MissingDependencyError", ImportError),
    ],
)
def test_whoever_catches_pythons_own_catches_ours(
    name: str, builtin: type[Exception]
) -> None:
    error = getattr(errors, name)("why")
    assert isinstance(error, builtin)
    assert str(pickle.loads(pickle.dumps(error))) == "why"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Histgram", "Histogram"), ("histogram", "Histogram"), ("zzzzzz", "")],
)
def test_names_that_are_nearly_right(name: str, hint: str) -> None:
    said = did_you_mean(name, ["Histogram", "Resize"])
    assert (hint in said) if hint else said == ""


def test_equal_reasons_of_many_streams_are_one_cause() -> None:
    failures = [
        Failure(f"s{n}", reason, op="Track")
        for n, reason in enumerate(["no room", "no room", "no light"])
    ]
    causes = causes_of(failures)
    assert [len(cause.streams) for cause in causes] == [2, 1]
    assert causes[0].streams == ["s0", "s1"]


def test_exit_codes_are_different_causes() -> None:
    text = "its process ended with exit code {} before row {} was done"
    failures = [
        Failure(f"film {number}", text.format(code, number), kind="death")
        for number, code in enumerate([3, 0, 13, 3, 13])
    ]
    causes = causes_of(failures)
    assert sorted(len(cause.failures) for cause in causes) == [1, 2, 2]


def test_failures_in_a_notebook() -> None:
    failures = [
        Failure("<b>.mp4", "KeyError: '<i>'", row=7, op="Track", traceback="File <t>"),
        Failure("c.mp4", "no such file", kind="input"),
        Failure("d.mp4", "too many failed", kind="skipped"),
    ]
    page = JobFailure(failures, "try <again>", Tally(committed=3))._repr_html_()
    assert "2 of 6 streams failed, 1 is not run, 3 are committed" in page
    for said in (
        "Track",
        "KeyError",
        "&lt;b&gt;.mp4",
        "File &lt;t&gt;",
        "&lt;again&gt;",
    ):
        assert said in page
    assert not {"<b>", "<i>", "<t>", "<again>"} & set(re.findall("<[^>]+>", page))
