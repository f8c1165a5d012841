"""Programs that are run: what they say, and what is said where they fail."""

from __future__ import annotations

import pytest

from beam_scanner.clusters.programs import program, run, run_json
from beam_scanner.errors import MissingDependencyError, WorkerError
from tests.support.fake_programs import FakePrograms


def test_programs(tmp_path, monkeypatch) -> None:
    programs = FakePrograms(tmp_path, "gcloud")
    monkeypatch.setenv("PATH", programs.path())
    programs.answer([{"name": "a"}], "list")
    programs.answer("Quota exceeded\n", "create", code=3)
    programs.answer("no json", "describe")
    assert run_json(["gcloud", "list"]) == [{"name": "a"}]
    assert run_json(["gcloud", "empty"]) is None
    assert run(["gcloud", "x; touch y", "$HOME"]) == ""
    assert programs.calls()[-1] == ["gcloud", "x; touch y", "$HOME"]
    with pytest.raises(
        WorkerError, match=r"gcloud create 'a b' has failed \(3\): Quota"
    ):
        run(["gcloud", "create", "a b"])
    with pytest.raises(WorkerError, match="has printed no JSON: no json"):
        run_json(["gcloud", "describe"])


@pytest.mark.parametrize("name", ["gcloud", "eksctl", "aws", "az", "kubectl"])
def test_missing_programs(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MissingDependencyError, match=rf"no program '{name}': install .*https"
    ):
        program(name)
