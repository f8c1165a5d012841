"""What is kept of each failure, whatever was raised."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from beam_scanner import (
    JobFailure,
)
from tests.support import failing_kernels
from tests.support.client_helpers import IN_MEMORY, PROCESSES, open_client
from tests.support.failing_kernels import KINDS, inputs, kept, run

pytestmark = pytest.mark.usefixtures("failing_ops")


@pytest.mark.parametrize("options", [IN_MEMORY, PROCESSES])
def test_whatever_a_kernel_raises_costs_its_stream_alone(
    tmp_path: Path, options: list[str]
) -> None:
    sc = open_client(tmp_path, options)
    outputs, error = run(sc, inputs(["", *KINDS, ""]))
    assert [stream.committed() for stream in outputs] == [
        True,
        *[False] * len(KINDS),
        True,
    ]
    assert isinstance(error, JobFailure)
    assert [failure.exception for failure in error.failures] == list(KINDS)
    assert {(f.op, f.row, f.kind) for f in error.failures} == {
        ("Raising", 3, "exception")
    }
    assert str(error).startswith(f"{len(KINDS)} of {len(KINDS) + 2} streams failed, 2 ")
    assert len(str(error)) < 10_000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert error.tally.file in str(error)
    rows = kept(tmp_path)
    assert [row["exception"] for row in rows] == list(KINDS)
    assert {row["row"] for row in rows} == {3}
    assert max(len(row["traceback"]) for row in rows) < 60_000
    # Calls of this package that lead to the kernel are left out.
    line = rows[0]["traceback"].splitlines()[1]
    assert os.path.basename(failing_kernels.__file__) in line


@pytest.mark.slow
def test_equal_causes_are_one_line(tmp_path: Path) -> None:
    sc = open_client(tmp_path)
    _, error = run(sc, inputs(["ValueError"] * 18 + ["Panic"] * 2))
    lines = str(error).splitlines()
    assert lines[0] == "20 of 20 streams failed:"
    assert lines[1].startswith("  18 streams: op Raising, row 3: ValueError: lone ")
    assert lines[2].startswith("  2 streams: op Raising, row 3: Panic: rust (")
    assert len(lines) < 20
    assert len(kept(tmp_path)) == 20
