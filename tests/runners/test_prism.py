"""What Prism needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.runners import prism
from tests.support.refused_runs import check, refused


def test_prism_must_be_there(
    tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "--runner=PrismRunner"
    gone = f"--prism_location={tmp_path / 'gone'}"
    refused("expected a program", name, gone)
    refused("expected a program", "--runner=DirectRunner", gone)
    refused("nothing listens there", name, f"--job_endpoint={nobody}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GOBIN", str(tmp_path))
    refused("go install", name)
    (tmp_path / "prism").touch(0o755)
    check(name)
    check(name, f"--prism_location={tmp_path / 'prism'}")
    prism.options(location=tmp_path / "prism")
    with pytest.raises(ArgumentError, match="expected a program"):
        prism.options(location=tmp_path / "gone")
