"""The script that builds Kubernetes' API server, without building it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import kube_apiserver
from tests.support.kube_servers import kube_servers

GO = """#!/bin/sh
test -z "$FAILS" || { echo "$FAILS" >&2; exit 1; }
while [ "$1" != -o ]; do shift; done
echo "$CGO_ENABLED $PWD" >"$2"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the programs are to be, with a Go that builds quickly."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "go").write_text(GO)
    (programs / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.delenv("FAILS", raising=False)
    monkeypatch.setattr(kube_apiserver, "FOLDER", tmp_path / "kube")
    return tmp_path / "kube"


def test_it_is_built_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "kube_apiserver.py" in (kube_apiserver.missing() or "")
    assert kube_apiserver.main() == 0
    assert kube_apiserver.missing() is None
    for name in kube_apiserver.PROGRAMS:
        assert (folder / name).read_text() == f"0 {kube_apiserver.SOURCE}\n"
    found = {"kube-apiserver", "etcd", "stamp"}
    assert {path.name for path in folder.iterdir()} == found
    monkeypatch.setenv("FAILS", "it is built again")
    assert kube_apiserver.main() == 0
    assert "once; 10 to 30 minutes" in capsys.readouterr().out
    # Other versions are another program.
    (folder / "stamp").write_text("of before")
    assert kube_apiserver.main() == 1
    assert "go build failed:\nit is built again" in capsys.readouterr().err


def test_without_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert kube_apiserver.main() == 1
    assert "Go is needed" in capsys.readouterr().err


def test_tests_are_skipped_without_it_or_fail(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUIRE_KUBE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="is not built"):
        kube_servers(folder).__enter__()
    monkeypatch.setenv("REQUIRE_KUBE", "1")
    with pytest.raises(pytest.fail.Exception, match=r"REQUIRE_KUBE=1, but .*not built"):
        kube_servers(folder).__enter__()


def test_tiers_leave_it_to_its_own_target() -> None:
    makefile = (kube_apiserver.ROOT / "Makefile").read_text()
    assert '-m "slow and not frameworks and not kube"' in makefile
    assert "-m kube" in makefile
