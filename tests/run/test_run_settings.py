"""What is said of jobs that are not run any more."""

from __future__ import annotations

import pytest

from beam_scanner.run.run_settings import reason_stopped


@pytest.mark.parametrize(
    ("jobs", "failed"), [(40, "5 of 40 streams failed"), (0, "5 streams failed")]
)
def test_the_reason_names_what_is_known(jobs: int, failed: str) -> None:
    reason = reason_stopped(5, jobs, 4)
    assert reason == f"not run: stopped after {failed} (max_failures=4)"
