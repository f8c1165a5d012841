"""The script that runs the core of the suite on other versions of Beam."""

from __future__ import annotations

import importlib.util

from tests.support.folders import ROOT


def test_the_core_tests_exist_and_the_range_has_two_ends() -> None:
    path = ROOT / "scripts" / "beam_versions.py"
    spec = importlib.util.spec_from_file_location("beam_versions", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for test in script.CORE:
        assert (ROOT / test).exists(), test
    oldest, above = (tuple(map(int, end.split("."))) for end in script.beam_range())
    assert oldest < above
