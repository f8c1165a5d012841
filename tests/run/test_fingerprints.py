"""What changes while it is being sent is noticed, or sent as it is fingerprinted."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.run.fingerprints import Fingerprints, stream_fingerprint
from beam_scanner.storage.streams.backend import StoredStream
from tests.support.shared_values import Graph


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("global", "op Detect"),
        ("argument", "op Detect"),
        ("of_stream", "stream 'out'"),
    ],
)
def test_what_has_changed_since_it_was_fingerprinted_is_an_error(
    tmp_path: Path, what: str, name: str
) -> None:
    graph = Graph(tmp_path)
    found = Fingerprints(graph.outputs, 0, graph.storage)
    jobs = [(0, found.of_job(0)[0])]
    found.check_unchanged(jobs)
    graph.change(what)
    with pytest.raises(ArgumentError, match=f"^{name}: .* has changed while"):
        found.check_unchanged(jobs)


class Words(StoredStream):
    def name(self) -> str:
        return "words"

    def len(self) -> int:
        return 3


class Dated(Words):
    def fingerprint(self) -> str:
        return "2026"


def test_streams_that_tell_nothing_of_their_content_are_named() -> None:
    with pytest.warns(UserWarning, match=r"streams of class .*\.Words have no finger"):
        stream_fingerprint(Words())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream_fingerprint(Words())
        stream_fingerprint(Dated())
