"""Every runner commits the bytes that a run in memory commits, at every parallelism."""

from __future__ import annotations

from pathlib import Path

import pytest
from runner_graphs import FEATURES, TOGETHER, left_over, run_features
from targets import IN_MEMORY, Target

Wanted = dict[str, list[bytes]]


@pytest.fixture(scope="module")
def wanted(film: str, tmp_path_factory: pytest.TempPathFactory) -> Wanted:
    """What a run in memory commits."""
    found: Wanted = {}
    for name in FEATURES:
        db = tmp_path_factory.mktemp("wanted")
        found |= run_features([name], db, film, IN_MEMORY)[0]
    return found


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature(
    feature: str,
    runner_flags: list[str],
    wanted: Wanted,
    film: str,
    tmp_path: Path,
    record_property: pytest.RecordProperty,
) -> None:
    record_property("feature", feature)
    found, report = run_features([feature], tmp_path, film, runner_flags)
    assert found == {feature: wanted[feature]}
    assert not report.failures
    assert not report.reused
    assert not left_over(tmp_path)


@pytest.mark.parametrize("parallelism", [1, 4])
def test_all_at_other_parallelisms(
    parallelism: int, target: Target, wanted: Wanted, film: str, tmp_path: Path
) -> None:
    flags = target.flags(parallelism)
    found, _ = run_features(TOGETHER, tmp_path, film, flags)
    assert found == {name: wanted[name] for name in TOGETHER}
    assert not left_over(tmp_path)
