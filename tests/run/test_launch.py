"""A run stops after as many failures as were allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner import (
    CacheMode,
)
from beam_scanner.errors import ArgumentError
from tests.support.client_helpers import open_client
from tests.support.failing_kernels import inputs, run

pytestmark = pytest.mark.usefixtures("failing_ops")


@pytest.mark.slow
def test_too_many_failures_stop_a_run_and_a_rerun_goes_on(tmp_path: Path) -> None:
    sc = open_client(tmp_path)
    streams = inputs([""] * 3 + ["Panic"] * 30 + [""] * 7)
    outputs, error = run(sc, streams, max_failures=4)
    assert str(error).startswith("5 of 40 streams failed, 32 are not run, 3 are commi")
    assert "stopped after 5 of 40 streams failed (max_failures=4)" in str(error)
    committed = [stream.committed() for stream in outputs]
    assert committed == [True] * 3 + [False] * 37
    _, report = run(
        sc, streams, max_failures=0.9, cache_mode=CacheMode.Ignore, on_failure="return"
    )
    assert len(report.failures) == 30
    assert len(report.committed) == 7
    assert len(report.cached) == 3


@pytest.mark.parametrize("wrong", [-1, 1.0, 0.0, 1.5, "3", True, float("nan")])
def test_max_failures_is_checked(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="max_failures must be"):
        run(open_client(tmp_path), inputs([""]), max_failures=wrong)


def test_as_many_failures_as_allowed_stop_nothing(tmp_path: Path) -> None:
    streams = inputs(["Panic"] * 5 + [""] * 5)
    for name, most in (("number", 5), ("share", 0.5)):
        sc = open_client(tmp_path / name)
        outputs, error = run(sc, streams, max_failures=most)
        assert [stream.committed() for stream in outputs] == [False] * 5 + [True] * 5
        assert "not run" not in str(error)
