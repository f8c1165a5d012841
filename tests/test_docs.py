"""The pages of docs/: their blocks are run, each page's in its own folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import ROOT, blocks, forgotten, make_films, run_block

PAGES = sorted(ROOT.glob("docs/*.md"))


def test_there_are_pages_with_code() -> None:
    assert len(PAGES) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_of_a_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_films(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = blocks(page)
    assert found, f"{page.name} has no code that is run"
    with forgotten():
        for block in found:
            run_block(block)
