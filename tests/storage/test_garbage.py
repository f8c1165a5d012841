"""Garbage is what is proved to be this database's, and unused: nothing else goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import StorageError, StreamReplacedError
from beam_scanner.storage import (
    LocalStore,
    NamedStorage,
    NamedStream,
    ObjectStore,
    gc,
    list_streams,
)
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.storage.writer_marks import mark, remove_old_marks, unmark, writing
from tests.support.storage_fakes import MemoryStore

ROWS = [b"some", b"rows"]


def filled(folder: Path, *names: str) -> NamedStorage:
    storage = NamedStorage(folder)
    for name in names:
        NamedStream(storage, name).save(ROWS)
    return storage


def stray(folder: Path, stream: str, generation: str = "gone") -> Path:
    """What a crash leaves."""
    path = folder / stream / f"{generation}.segments/00000000-x.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left")
    return path


def files(folder: Path) -> set[str]:
    return {
        str(Path(above, name).relative_to(folder))
        for above, _, names in os.walk(folder)
        for name in names
        if ".tmp" not in above
    }


def rows(storage: NamedStorage, name: str) -> list[bytes]:
    return list(NamedStream(storage, name).load())


@pytest.mark.parametrize("below", ["run2", "a", "a/run2", "a/x.segments"])
def test_a_database_below_another(tmp_path: Path, below: str) -> None:
    """With streams and with unfinished work of its own."""
    outer = filled(tmp_path, "a")
    inner = filled(tmp_path / below, "b")
    kept = stray(tmp_path / below, "c", "live")
    swept = stray(tmp_path, "d")
    assert [found.name for found in list_streams(outer)] == (
        ["a"] if below != "a" else []
    )
    assert gc(outer).keys == ("d/gone.segments/00000000-x.parquet",)
    assert not swept.exists()
    assert kept.exists()
    assert rows(inner, "b") == ROWS
    assert rows(outer, "a") == ROWS


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_a_folder_that_was_moved_or_copied(
    tmp_path: Path, move: Callable[[Path, Path], object]
) -> None:
    storage = filled(tmp_path, "a", "other")
    move(tmp_path / "a", tmp_path / "sub/b")
    swept = stray(tmp_path, "other")
    kept = stray(tmp_path / "sub", "b")
    before = files(tmp_path)
    found = gc(storage)
    assert files(tmp_path) == before - {str(swept.relative_to(tmp_path))}
    assert kept.exists()
    (left,) = found.left
    assert "sub/b: it holds stream 'a', so it was moved or copied" in left
    names = [stream.name for stream in list_streams(storage)]
    assert names == (["other"] if move is shutil.move else ["a", "other"])
    (tmp_path / "a").exists() or shutil.move(tmp_path / "sub/b", tmp_path / "a")
    assert rows(storage, "a") == ROWS


def test_links_are_never_followed(tmp_path: Path) -> None:
    storage = filled(tmp_path / "db", "a")
    other = filled(tmp_path / "other", "b")
    elsewhere = stray(tmp_path / "other", "c")
    db = tmp_path / "db"
    (db / "linked").symlink_to(tmp_path / "other")
    (db / "stream").symlink_to(tmp_path / "other/c")
    (db / "alias").symlink_to(db / "a")
    (db / "loop").symlink_to(db)
    (db / "self").symlink_to("self")
    (db / "x").mkdir()
    (db / "x/up").symlink_to("..")
    (db / "y").mkdir()
    (db / "y/x").symlink_to(db / "x")
    (db / "x/y").symlink_to(db / "y")
    (db / "broken").symlink_to("nothing")
    (db / "d").mkdir()
    (db / "d/g.segments").symlink_to(tmp_path / "other/c/gone.segments")
    link = db / "e/g.segments/00000000-x.parquet"
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    swept = stray(db, "a")
    found = gc(storage)
    assert found.keys == ("a/gone.segments/00000000-x.parquet",)
    assert not swept.exists()
    assert elsewhere.exists()
    assert link.is_symlink()
    assert any("it is a link" in left for left in found.left)
    assert rows(storage, "a") == ROWS
    assert rows(other, "b") == ROWS
    assert [each.name for each in list_streams(storage)] == ["a"]


def test_a_stream_on_another_disk_is_listed(tmp_path: Path) -> None:
    storage = filled(tmp_path / "db", "a")
    shutil.move(tmp_path / "db/a", tmp_path / "disk2")
    (tmp_path / "db/a").symlink_to(tmp_path / "disk2")
    assert [each.name for each in list_streams(storage)] == ["a"]
    assert gc(storage).keys == ()
    assert rows(storage, "a") == ROWS


def test_hard_links(tmp_path: Path) -> None:
    storage = filled(tmp_path, "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=os.link)
    assert gc(storage).keys == ()
    NamedStream(storage, "a").save([b"new"])
    gc(storage)
    assert rows(storage, "a") == [b"new"]
    assert len(list((tmp_path / "b").rglob("*.parquet"))) == 1


def test_a_folder_that_is_no_database(tmp_path: Path) -> None:
    kept = stray(tmp_path, "a")
    with pytest.raises(StorageError, match="there is no database"):
        gc(NamedStorage(tmp_path))
    assert kept.exists()
    assert files(tmp_path) == {"a/gone.segments/00000000-x.parquet"}


def test_files_of_people_stay(tmp_path: Path) -> None:
    storage = filled(tmp_path, "a")
    names = ("notes.segments/thesis.txt", "film.segments/part 1.mp4", "a/list.csv")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    found = gc(storage)
    assert found.keys == ()
    assert all((tmp_path / name).exists() for name in names)


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_files_of_people_stay_when_a_stream_goes(tmp_path: Path, how: str) -> None:
    outer = filled(tmp_path / "db", "a")
    stream = NamedStream(outer, "a")
    (file,) = stream.files()
    (Path(file).parent / "notes.txt").write_text("mine")
    inner = filled(Path(file).parent, "b")
    if how == "replaced":
        stream.save([b"others"])
    else:
        stream.delete()
    assert not Path(file).exists()
    assert (Path(file).parent / "notes.txt").read_text() == "mine"
    assert rows(inner, "b") == ROWS


def test_a_damaged_descriptor_keeps_its_generation(tmp_path: Path) -> None:
    storage = filled(tmp_path, "a", "b")
    (tmp_path / "a/stream.json").write_text("{")
    stray(tmp_path, "b")
    before = len(files(tmp_path))
    found = gc(storage)
    assert len(found.keys) == 1
    assert len(files(tmp_path)) == before - 1
    assert "damaged" in found.left[0]


def test_read_only_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be removed is told, and the rest goes."""
    storage = filled(tmp_path)
    storage.store(create=True)
    for name in "ab":
        stray(tmp_path, name)
    plain = LocalStore.delete

    def delete(store: LocalStore, key: str) -> None:
        if key.startswith("a/"):
            raise StorageError(f"cannot delete {key!r}: permission denied")
        plain(store, key)

    monkeypatch.setattr(LocalStore, "delete", delete)
    found = gc(storage)
    assert found.keys == ("b/gone.segments/00000000-x.parquet",)
    assert "permission denied" in found.left[0]


def test_an_object_store_behaves_alike() -> None:
    store = MemoryStore("collect")
    outer = NamedStorage(store)
    outer.store(create=True)
    NamedStream(outer, "a").save(ROWS)
    for key in list(store.list("a/")):
        store.put(f"b/{key.removeprefix('a/')}", store.read(key))
    for key in ("beam_scanner.json", "c/g.segments/00000000-x.parquet"):
        store.put(f"sub/{key}", store.read("beam_scanner.json"))
    store.put("d/g.segments/00000000-x.parquet", b"left")
    found = gc(outer)
    assert found.keys == ("d/g.segments/00000000-x.parquet",)
    assert len(found.left) == 1
    assert store.exists("sub/c/g.segments/00000000-x.parquet")
    assert rows(outer, "a") == ROWS
    assert [each.name for each in list_streams(outer)] == ["a"]


def test_collecting_while_others_write(tmp_path: Path) -> None:
    """``save`` at any moment: between its rows, and after its last."""
    storage = filled(tmp_path, "other")
    stream = NamedStream(storage, "a")

    def values() -> object:
        for value in ROWS:
            assert gc(storage).keys == ()
            yield value

    stream.save(values())  # type: ignore[arg-type]
    generation = "0123"
    with writing(storage.store(), generation):
        kept = stray(tmp_path, "b", generation)
        assert gc(storage).keys == ()
        assert kept.exists()
    assert gc(storage).keys == ("b/0123.segments/00000000-x.parquet",)
    mark(storage.store(), generation, "part")
    stray(tmp_path, "b", generation)
    assert gc(storage).keys == ()
    unmark(storage.store(), generation, "part")
    assert len(gc(storage).keys) == 1
    assert rows(storage, "a") == ROWS


def test_marks_of_dead_writers_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = filled(tmp_path, "other")
    store = storage.store()
    store.put(".work/writers/dead/held", b"1000")
    store.put(".work/writers/old/part", b"1000")
    mark(store, "young", "part")
    for generation in ("dead", "old", "young"):
        stray(tmp_path, "a", generation)
    assert sorted(gc(storage).keys) == [
        "a/dead.segments/00000000-x.parquet",
        "a/old.segments/00000000-x.parquet",
    ]
    remove_old_marks(store)
    assert list(store.list(".work/writers/")) == [".work/writers/young/part"]


@pytest.mark.parametrize("make", [LocalStore, MemoryStore])
def test_the_loser_is_told_and_leaves_nothing(
    tmp_path: Path, make: Callable[[str], ObjectStore]
) -> None:
    storage = NamedStorage(make(str(tmp_path / "db")))
    stream = NamedStream(storage, "a")
    stream.save(ROWS)

    def overtaken() -> object:
        yield b"mine"
        NamedStream(storage, "a").save([b"theirs"])

    with pytest.raises(StreamReplacedError, match=r"'a' was replaced by .* at 20\d\d-"):
        stream.save(overtaken())  # type: ignore[arg-type]
    assert rows(storage, "a") == [b"theirs"]
    assert gc(storage).keys == ()
    assert not list(storage.store().list(".work/"))


def test_equal_results_do_not_lose(tmp_path: Path) -> None:
    storage = NamedStorage(tmp_path)
    stream = NamedStream(storage, "a")

    def write(generation: str, fingerprint: str) -> None:
        writer = stream.segment_writer(SegmentTask(generation, 0, "x", 0))
        writer.write(0, ROWS, np.zeros(2))
        records = [writer.finish()]
        stream.publish(
            Publication(generation, records, fingerprint, generation, "s", seen="")
        )

    write("one", "same")
    write("two", "same")
    assert stream.descriptor().generation == "one"
    with pytest.raises(StreamReplacedError):
        write("three", "other")
    stream.discard("three")
    assert gc(storage).keys == ()


def test_committed_means_that_all_is_there(tmp_path: Path) -> None:
    storage = filled(tmp_path, "a", "b", "c")
    streams = [NamedStream(storage, name) for name in "abc"]
    assert all(stream.committed() for stream in streams)
    (file,) = streams[0].files()
    os.remove(file)
    (file,) = streams[1].files()
    os.truncate(file, os.path.getsize(file) - 1)
    assert [stream.committed() for stream in streams] == [False, False, True]
    assert [stream.exists() for stream in streams] == [False, False, True]


@pytest.mark.parametrize("place", ["stream", "generation", "above"])
def test_a_stream_is_not_removed_through_a_link(tmp_path: Path, place: str) -> None:
    theirs = NamedStream(NamedStorage(str(tmp_path / "theirs")), "a/b")
    theirs.save([b"1"], bytes)
    mine = NamedStream(NamedStorage(str(tmp_path / "mine")), "a/b")
    mine.save([b"2"], bytes)
    folder = {"stream": "a/b", "above": "a"}.get(place)
    if folder is None:
        folder = str(Path(mine.files()[0]).parent.relative_to(tmp_path / "mine"))
        (tmp_path / "mine" / folder).rename(tmp_path / "moved")
        (tmp_path / "mine" / folder).symlink_to(tmp_path / "moved")
    else:
        shutil.rmtree(tmp_path / "mine" / folder)
        (tmp_path / "mine" / folder).symlink_to(tmp_path / "theirs" / folder)
    with pytest.raises(StorageError, match="is a link"):
        mine.delete()
    assert list(theirs.load()) == [b"1"]
    assert mine.committed()


@pytest.mark.parametrize("folder", ["a/b", "a"])
def test_a_stream_is_not_stored_in_another_database(
    tmp_path: Path, folder: str
) -> None:
    theirs = NamedStream(NamedStorage(str(tmp_path / "theirs")), "a/b")
    theirs.save([b"1"], bytes)
    mine = NamedStream(NamedStorage(str(tmp_path / "mine")), "a/b")
    mine.save([b"2"], bytes)
    shutil.rmtree(tmp_path / "mine" / folder)
    (tmp_path / "mine" / folder).symlink_to(tmp_path / "theirs" / folder)
    with pytest.raises(StorageError, match="a link into another database"):
        mine.save([b"3"], bytes)
    assert list(theirs.load()) == [b"1"]


def test_a_stream_may_lie_on_another_disk(tmp_path: Path) -> None:
    stream = NamedStream(NamedStorage(str(tmp_path / "db")), "a/b")
    stream.save([b"1"], bytes)
    (tmp_path / "db/a").rename(tmp_path / "disk")
    (tmp_path / "db/a").symlink_to(tmp_path / "disk")
    stream.save([b"2"], bytes)
    assert list(stream.load()) == [b"2"]
