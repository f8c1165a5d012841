"""What sinks give to the rest of a pipeline."""

from __future__ import annotations

import pickle
import subprocess
import sys

import apache_beam as beam
import pytest

from beam_scanner.elements.records import Commit, FailureCoder, Written
from beam_scanner.errors import ElementTypeError, Failure, ScannerException

COMMIT = Commit("small/é.mp4", "/db/small/é.mp4", 250, "5f0c")


def test_a_commit_is_a_row_for_other_languages() -> None:
    coder = beam.coders.registry.get_coder(Commit)
    assert isinstance(coder, beam.coders.RowCoder)
    assert coder.decode(coder.encode(COMMIT)) == COMMIT


FAILURES = [
    Failure("a", "why"),
    Failure("ä/\x00", "two\nlines", 2**40, "Op", "tb", started=1.5, attempts=3),
    Failure("a\udcff.mp4", "bad \ud800"),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_survives_its_coder(failure: Failure) -> None:
    coder = beam.coders.registry.get_coder(Failure)
    found = coder.decode(coder.encode(failure))
    assert found == failure
    assert isinstance(found, Failure)
    assert str(found) == str(failure)


@pytest.mark.slow
def test_a_failure_is_the_same_in_another_process() -> None:
    encoded = FailureCoder().encode(FAILURES[1])
    program = (
        "import pickle, sys\n"
        "coder, data = pickle.loads(sys.stdin.buffer.read())\n"
        "print(ascii(str(coder.decode(data))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((FailureCoder(), encoded)),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == ascii(str(FAILURES[1]))


def test_a_transform_takes_commits_or_failures_and_not_both() -> None:
    written = Written(["commit"], ["failure"])
    assert (written.commits, written.failures) == (["commit"], ["failure"])
    with pytest.raises(ElementTypeError, match=r"\.commits or to \.failures") as caught:
        written | beam.Map(print)
    assert isinstance(caught.value, ScannerException)
