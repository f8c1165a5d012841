"""A program: the graph of a pipeline as its workers get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import dumps_graph, loads_graph
from beam_scanner.run import program as programs
from beam_scanner.run.fingerprints import op_digests
from beam_scanner.run.options import Limits
from beam_scanner.run.program import Program
from tests.support.shared_values import Graph


@pytest.mark.parametrize("what", ["global", "argument"])
@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_a_program_has_the_digests_of_the_values_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, times: int
) -> None:
    graph = Graph(tmp_path)
    left = iter(range(times))

    def slow(value: Any) -> bytes:
        data = dumps_graph(value)
        if next(left, None) is not None:
            graph.change(what)
        return data

    program = Program.of(
        str(tmp_path), "run", [], graph.outputs, Limits(3, 0.0), "here"
    )
    monkeypatch.setattr(programs, "dumps_graph", slow)
    if times == 3:
        with pytest.raises(ArgumentError, match="keep changing"):
            program.pack()
        return
    packed = program.pack()
    (run,) = map(loads_graph, packed.phases)
    (family,) = run.settings.graph.job(run.slots)
    assert list(run.digests[0]) == op_digests(family.outputs)
    assert (run.digests == program.digests) == (times == 0)
    assert loads_graph(packed.without_kernels).digests == run.digests
