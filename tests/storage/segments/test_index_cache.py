"""Indexes of ingested videos are read once by each process, and checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.storage import NamedStorage, NamedVideoStream
from beam_scanner.storage.segments import index_cache
from beam_scanner.storage.segments.index_cache import ingested_files, stored_index
from tests.support.video_fixtures import make_video


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "_indexes", type(index_cache._indexes)())


def ingested(folder: Path, name: str, frames: int) -> Any:
    """The store and the descriptor of a video."""
    video = make_video(folder / f"{name}.mp4", frames=frames)
    stream = NamedVideoStream(NamedStorage(folder / "db"), name, path=str(video))
    stream.ingest()
    return stream.storage().store(), stream.descriptor()


def files(folder: Path) -> list[Path]:
    return sorted((folder / "db").rglob("*.index*")) or sorted(
        path for path in (folder / "db").rglob("*") if "segments" in str(path.parent)
    )


def test_an_index_is_read_once(tmp_path: Path) -> None:
    store, descriptor = ingested(tmp_path, "a", 8)
    index = stored_index(store, descriptor)
    assert len(index) == 8
    for path in files(tmp_path):
        path.unlink()
    assert stored_index(store, descriptor) is index


def test_only_the_rows_of_the_last_few_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_cache, "_INDEXED_ROWS", 20)
    given = [ingested(tmp_path, name, 8) for name in "abc"]
    first, second, _ = (stored_index(*one) for one in given)
    # The first went for the third.
    assert stored_index(*given[1]) is second
    again = stored_index(*given[0])
    assert again is not first
    assert again.pts.tolist() == first.pts.tolist()
    # One is kept however large it is.
    monkeypatch.setattr(index_cache, "_INDEXED_ROWS", 1)
    last = stored_index(*given[2])
    assert stored_index(*given[2]) is last


def test_an_index_of_other_rows_is_damaged(tmp_path: Path) -> None:
    store, descriptor = ingested(tmp_path, "a", 8)
    with pytest.raises(StorageError, match="damaged: it has 8 rows in place of 9"):
        stored_index(store, replace(descriptor, rows=9))
    assert len(stored_index(store, descriptor)) == 8


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    store, descriptor = ingested(tmp_path, "a", 8)
    for path in files(tmp_path):
        path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(StorageError, match="of stream 'a'"):
        stored_index(store, descriptor)


def test_an_ingested_video_is_one_segment(tmp_path: Path) -> None:
    store, descriptor = ingested(tmp_path, "a", 8)
    twice = replace(descriptor, segments=descriptor.segments * 2)
    with pytest.raises(StorageError, match="descriptor of stream 'a' is damaged"):
        ingested_files(store, twice)
