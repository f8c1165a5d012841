"""The version is that of the installed package, if there is one."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator

import pytest

from beam_scanner.text import version


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    importlib.reload(version)


@pytest.mark.parametrize("found", ["1.2.3", None])
def test_a_checkout_that_is_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    def look(name: str) -> str:
        assert name == "beam-scanner"
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", look)
    assert importlib.reload(version).__version__ == (found or "(not installed)")
