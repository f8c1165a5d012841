"""What sinks give to the rest of a pipeline."""

from __future__ import annotations

import apache_beam as beam
import pytest

from beam_scanner.elements.records import Commit, Written
from beam_scanner.errors import ElementTypeError, ScannerException

COMMIT = Commit("small/é.mp4", "/db/small/é.mp4", 250, "5f0c")


def test_a_commit_is_a_row_for_other_languages() -> None:
    coder = beam.coders.registry.get_coder(Commit)
    assert isinstance(coder, beam.coders.RowCoder)
    assert coder.decode(coder.encode(COMMIT)) == COMMIT


def test_a_transform_takes_commits_or_failures_and_not_both() -> None:
    written = Written(["commit"], ["failure"])
    assert (written.commits, written.failures) == (["commit"], ["failure"])
    with pytest.raises(ElementTypeError, match=r"\.commits or to \.failures") as caught:
        written | beam.Map(print)
    assert isinstance(caught.value, ScannerException)
