"""What a notebook shows of a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner import Client, NamedStream
from beam_scanner.scannerpy import client_view


def test_streams_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(db_path=str(tmp_path / "d<b")) as sc:
        assert "no streams yet" in sc._repr_html_()
        for name in ("a", "<b>", "c"):
            NamedStream(sc, name).save([1.5] * 1234, float)
        page = sc._repr_html_()
        for said in ("d&lt;b", "&lt;b&gt;", ">float<", ">1,234<"):
            assert said in page
        assert "and more" not in page
        monkeypatch.setattr(client_view, "LISTED", 2)
        page = sc._repr_html_()
        assert page.count(">float<") == 2
        assert "and more" in page
        for file in tmp_path.rglob("stream.json"):
            file.write_text("no descriptor")
        assert "cannot be shown" in sc._repr_html_()
