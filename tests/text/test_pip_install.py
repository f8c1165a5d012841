"""The command that installs an extra."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.text import pip_install as module
from beam_scanner.text.pip_install import pip_install
from tests.support.folders import ROOT


def test_in_a_checkout() -> None:
    assert pip_install("opencv") == f"pip install -e {shlex.quote(f'{ROOT}[opencv]')}"


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What pip has noted of an installation that is no checkout."""
    found: dict[str, Any] = {}

    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return found.get("text")

    def distribution(name: str) -> Distribution:
        if "none" in found:
            raise PackageNotFoundError(name)
        return Distribution()

    monkeypatch.setattr(module, "distribution", distribution)
    place = tmp_path / "lib" / "beam_scanner" / "text" / "pip_install.py"
    monkeypatch.setattr(module, "__file__", str(place))
    return found


PLAIN = "pip install 'beam-scanner[s3]'"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (None, PLAIN),
        ({}, PLAIN),
        ({"url": "file:///no/such/folder", "dir_info": {}}, PLAIN),
        (
            {"url": "https://a.org/b-1.whl", "archive_info": {}},
            "pip install 'beam-scanner[s3] @ https://a.org/b-1.whl'",
        ),
        (
            {"url": "https://a.org/b", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "pip install 'beam-scanner[s3] @ git+https://a.org/b'",
        ),
        (
            {
                "url": "ssh://git@a.org/b.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main"},
            },
            "pip install 'beam-scanner[s3] @ git+ssh://git@a.org/b.git@main'",
        ),
    ],
)
def test_as_it_was_installed(
    noted: dict[str, Any], url: dict[str, Any] | None, line: str
) -> None:
    if url is not None:
        noted["text"] = json.dumps(url)
    assert pip_install("s3") == line


def test_from_a_folder_or_a_file(noted: dict[str, Any], tmp_path: Path) -> None:
    place = tmp_path / "my films" / "beam_scanner.whl"
    place.parent.mkdir()
    place.touch()
    for path in (place, place.parent):
        noted["text"] = json.dumps({"url": path.as_uri(), "dir_info": {}})
        assert shlex.split(pip_install("s3"))[-1] == f"{path}[s3]"


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_what_cannot_be_read(noted: dict[str, Any], text: str) -> None:
    noted["text"] = text
    assert pip_install("s3") == PLAIN


def test_what_nobody_has_installed(noted: dict[str, Any]) -> None:
    noted["none"] = True
    assert pip_install("s3") == PLAIN
