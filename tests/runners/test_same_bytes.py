"""Every runner commits the bytes that a run in memory commits, at every parallelism."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.runner_graphs import FEATURES, left_over, run_features
from tests.support.targets import IN_MEMORY, Target

Files = dict[str, list[bytes]]


@pytest.fixture(scope="module")
def wanted(film: str, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a run in memory commits."""
    db = tmp_path_factory.mktemp("wanted")
    return run_features(list(FEATURES), db, film, IN_MEMORY)[0]


@pytest.fixture(scope="module")
def committed(
    film: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Target, int], Files]:
    """What a runner commits when all features are outputs of one run."""
    known: dict[tuple[str, int], Files] = {}

    def run(target: Target, parallelism: int) -> Files:
        key = target.name, parallelism
        if key not in known:
            db = tmp_path_factory.mktemp("db")
            # A run that fails is not tried again for each feature.
            known[key] = {}
            flags = target.flags(parallelism)
            known[key], report = run_features(list(FEATURES), db, film, flags)
            assert not report.failures
            assert not report.reused
            assert not left_over(db)
        return known[key]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("parallelism", [1, 2, 4])
@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature(
    feature: str,
    parallelism: int,
    target: Target,
    wanted: Files,
    committed: Callable[[Target, int], Files],
) -> None:
    found = committed(target, parallelism)
    assert feature in found, "the run failed: see the first test of this runner"
    assert found[feature] == wanted[feature]
