"""What changes while it is being sent is noticed, or sent as it is fingerprinted."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.run.fingerprints import Fingerprints
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
