"""Videos are ingested here or by workers, with the same outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import beam_scanner.run.ingest
from beam_scanner import Client, NamedVideoStream
from beam_scanner.run import ingest_progress
from beam_scanner.run.ingest import Ingest, _seconds, ingest_streams
from beam_scanner.run.ingest_progress import IngestProgress
from tests.support.video_fixtures import make_video

PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


@pytest.mark.parametrize("by_workers", [False, True])
@pytest.mark.parametrize("damage", ["strict", "salvage"])
def test_here_or_by_workers(tmp_path: Path, monkeypatch, by_workers, damage) -> None:
    monkeypatch.setattr(
        beam_scanner.run.ingest, "_LOCAL_SECONDS", 0 if by_workers else float("inf")
    )
    pipelines = []
    run = beam_scanner.run.ingest.run_pipeline  # type: ignore[attr-defined]
    monkeypatch.setattr(
        beam_scanner.run.ingest,
        "run_pipeline",
        lambda options, build: pipelines.append(build) or run(options, build),  # type: ignore[func-returns-value]
    )
    paths = [tmp_path / name for name in ("a.mp4", "b.ts", "c.mp4")]
    make_video(paths[0], frames=12)
    make_video(paths[1], frames=9)
    paths[2].write_text("no video")
    sc = Client(db_path=str(tmp_path / "db"), options=PROCESSES)
    tables, failures = sc.ingest_videos(
        [(path.stem, str(path)) for path in paths], inplace=True, damage=damage
    )
    assert len(pipelines) == by_workers
    assert [table.num_rows() for table in tables] == [12, 9]
    assert [path for path, _ in failures] == [str(paths[2])]
    assert "c.mp4" in failures[0][1]


def test_what_needs_decoding_takes_longer(tmp_path: Path) -> None:
    sc = Client(db_path=str(tmp_path / "db"))
    for name in ("a.mp4", "a.ts"):
        (tmp_path / name).write_bytes(bytes(10_000_000))

    def seconds(
        name: str,
        ingest: Ingest | None = None,
        damage: str = "strict",
        sends: bool = False,
    ) -> float:
        path = str(tmp_path / name)
        stream = NamedVideoStream(sc, "v", path=path, damage=damage)
        return _seconds([stream, stream], ingest or Ingest(), sends, 60.0)

    missing, read = seconds("missing.mp4"), seconds("a.mp4")
    assert 0 < missing < read
    assert seconds("a.mp4", sends=True) > 2 * read
    decoded = seconds("a.ts")
    assert decoded > 5 * read
    assert seconds("a.mp4", Ingest(verify=True)) == decoded
    assert seconds("a.mp4", damage="salvage") == decoded


def test_one_path_that_is_none_does_not_disturb_the_others(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", frames=5)
    sc = Client(db_path=str(tmp_path / "db"))
    tables, failures = sc.ingest_videos(
        [("a", str(tmp_path / "a.mp4")), ("b", "http://films/b.mp4")], inplace=True
    )
    assert [table.num_rows() for table in tables] == [5]
    assert failures[0][0] == "http://films/b.mp4"
    assert "must be a path or a file://, gs:// or s3:// URL" in failures[0][1]


def test_what_workers_have_indexed_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[set[int]] = []

    class Counted(IngestProgress):
        def __exit__(self, *about: Any) -> None:
            super().__exit__(*about)
            assert self._ask is not None
            counted.append(set(self._ask()))

    monkeypatch.setattr(ingest_progress, "visible", lambda: True)
    monkeypatch.setattr(beam_scanner.run.ingest, "IngestProgress", Counted)
    monkeypatch.setattr(beam_scanner.run.ingest, "_LOCAL_SECONDS", 0)
    make_video(tmp_path / "a.mp4", frames=5)
    (tmp_path / "b.mp4").write_text("no video")
    sc = Client(
        db_path=str(tmp_path / "db"), options=["--direct_running_mode=in_memory"]
    )
    videos = [NamedVideoStream(sc, n, path=str(tmp_path / f"{n}.mp4")) for n in "ab"]
    reasons = ingest_streams(videos, sc.named_storage, sc.options, show=True)
    assert counted == [{0, 1}]
    assert list(reasons) == ["b"]
    assert not list((tmp_path / "db" / ".work" / "ingest").rglob("*"))
