"""Files of the file systems that Beam knows: read by ranges, listed by our rules."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from apache_beam.io import hadoopfilesystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner import NamedStorage, NamedVideoStream
from beam_scanner.errors import (
    ArgumentError,
    MissingDependencyError,
    ObjectNotFoundError,
    StorageError,
    VideoError,
)
from beam_scanner.storage.find import find_files
from beam_scanner.stores import is_remote, open_file, open_store
from beam_scanner.stores.beam_store import (
    BeamStore,
    check_file_system,
    check_scheme,
    is_beam_url,
)
from beam_scanner.stores.object_file import BLOCK_BYTES
from beam_scanner.stores.paths import is_file, move_file, read_file, write_file
from beam_scanner.video.source import fingerprint, open_source
from tests.support.disk_file_system import filled, needs_options, registered

OLD = 1_600_000_000


@pytest.fixture(
    params=[
        {},
        {"RECURSIVE": False},
        {"DIRS": False},
    ],
    ids=["folders", "one folder at a time", "no folders"],
)
def store(request: Any, tmp_path: Path) -> Iterator[BeamStore]:
    with registered("disk", str(tmp_path), **request.param):
        yield BeamStore("disk://films")


def put(root: Path, name: str, data: bytes) -> Path:
    path = root / "films" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (OLD, OLD))
    return path


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("hdfs://a/b", True),
        ("azfs://a/b", True),
        ("a-b+c.d://x", True),
        ("gs://a/b", False),
        ("s3://a/b", False),
        ("file:///a", False),
        ("/a://b", False),
        ("a", False),
        (3, False),
    ],
)
def test_urls(path: Any, wanted: bool) -> None:
    assert is_beam_url(path) is wanted
    assert is_remote(path) is (wanted or str(path)[:3] in ("gs:", "s3:"))


def test_what_is_there(store: BeamStore, tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", b"12345")
    put(tmp_path, "tv/b.mp4", b"67")
    put(tmp_path, "tv/empty.mp4", b"")
    assert list(store.list()) == ["a.mp4", "tv/b.mp4", "tv/empty.mp4"]
    assert list(store.list("tv/b")) == ["tv/b.mp4"]
    assert list(store.list(skip=lambda folder: folder == "tv/")) == ["a.mp4"]
    assert store.size("tv/b.mp4") == 2
    assert [store.exists(key) for key in ("a.mp4", "tv", "no")] == [
        True,
        False,
        False,
    ] or (
        # Without folders nothing says that it is one.
        not store.exists("no")
    )
    assert store.read("a.mp4") == b"12345"
    assert store.read("a.mp4", 1, 3) == b"23"
    assert store.try_read("no.mp4") is None
    with pytest.raises(ObjectNotFoundError, match=r"'disk://films/no.mp4'"):
        store.open("no.mp4")


def test_a_folder_that_looks_like_a_pattern(store: BeamStore, tmp_path: Path) -> None:
    """Beam cannot quote what its patterns mean."""
    put(tmp_path, "[x]*/a.mp4", b"1")
    put(tmp_path, "x*/b.mp4", b"2")
    assert list(BeamStore("disk://films/[x]*").list()) == ["a.mp4"]


@pytest.mark.slow
@settings(max_examples=50)
@given(data=st.data())
def test_ranges(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("ranges")
    content = bytes(i * i % 251 for i in range(BLOCK_BYTES + 777))
    put(root, "a", content)
    with (
        registered("ranges", str(root)),
        open_file("ranges://films/a") as file,
    ):
        for _ in range(5):
            start = data.draw(st.integers(0, len(content) + 10))
            count = data.draw(st.integers(-1, len(content)))
            file.seek(start)
            want = content[start:] if count < 0 else content[start : start + count]
            assert file.read(count) == want


def test_a_file_that_is_replaced_while_it_is_read(
    store: BeamStore, tmp_path: Path
) -> None:
    path = put(tmp_path, "a", bytes(3 * BLOCK_BYTES))
    with store.open("a") as file:
        file.read(10)
        path.write_bytes(b"1" * 3 * BLOCK_BYTES)
        file.seek(2 * BLOCK_BYTES)
        with pytest.raises(StorageError, match="was replaced meanwhile"):
            file.read(10)


def test_fingerprints_follow_changes(store: BeamStore, tmp_path: Path) -> None:
    path = put(tmp_path, "a.mp4", b"1" * 1000)
    first = fingerprint("disk://films/a.mp4")
    assert first == fingerprint(str(path))
    # Just now: its time may stay the same when it is changed again.
    for content in (b"2", b"3"):
        path.write_bytes(content * 1000)
        os.utime(path)
        now = path.stat().st_mtime
        assert fingerprint("disk://films/a.mp4") == fingerprint(str(path)) != first
        os.utime(path, (now, now))


def test_files_without_seek(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", b"123")
    with (
        registered("stream", str(tmp_path), SEEKS=False),
        pytest.raises(StorageError, match="from their start alone"),
    ):
        open_source("stream://films/a.mp4")


def test_files_that_are_missing(store: BeamStore) -> None:
    with pytest.raises(VideoError, match=r"'disk://films/no.mp4' does not exist"):
        open_source("disk://films/no.mp4")


def test_schemes_that_nobody_knows() -> None:
    told = "'nosuch://films/a.mp4' cannot be read: no file system is registered"
    for refused in (
        lambda: check_scheme("nosuch://films/a.mp4"),
        lambda: open_file("nosuch://films/a.mp4"),
        lambda: find_files("nosuch://films/a.mp4", "search"),
        lambda: NamedVideoStream(NamedStorage("/db"), "a", path="nosuch://films/a.mp4"),
    ):
        with pytest.raises(ArgumentError, match=re.escape(told)):
            refused()


def test_packages_and_options_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure.storage.blob", None)
    with pytest.raises(MissingDependencyError, match=r"apache-beam\[azure\]"):
        check_file_system("azfs://account/films/a.mp4")
    monkeypatch.setattr(hadoopfilesystem, "hdfs", None)
    with pytest.raises(MissingDependencyError, match=r"apache-beam\[hadoop\]"):
        check_file_system("hdfs://films/a.mp4")
    FileSystems.set_options(PipelineOptions([]))
    with registered("asks", "", **needs_options("asks", "")):
        with pytest.raises(ArgumentError, match="temp_location is not set"):
            check_file_system("asks://films/a.mp4")
        FileSystems.set_options(PipelineOptions([f"--temp_location={tmp_path}"]))
        check_file_system("asks://films/a.mp4")


@pytest.mark.parametrize("url", ["disk://films/db", "hdfs://films/db"])
def test_no_database_lies_there(store: BeamStore, url: str) -> None:
    with pytest.raises(ArgumentError, match="a database is written on conditions"):
        open_store(url)
    with pytest.raises(ArgumentError, match="a database is written on conditions"):
        NamedStorage(url).store()
    with pytest.raises(StorageError, match="on a condition"):
        store.put_if_absent("stream.json", b"{}")


def test_files_are_written_and_removed(store: BeamStore, tmp_path: Path) -> None:
    """As those that a graph leaves, one an element."""
    path = "disk://films/out/0.bin"
    write_file(path, b"0")
    write_file(path, b"1")
    move_file(path, "disk://films/out/1.bin")
    assert [read_file("disk://films/out/1.bin"), is_file(path)] == [b"1", False]
    scratch = tmp_path / "scratch"
    scratch.write_bytes(b"new")
    store.put("out/0.bin", scratch)
    assert store.read("out/0.bin") == b"new"
    assert not scratch.exists()
    store.delete("out/0.bin")
    store.delete("out/0.bin")
    assert not store.exists("out/0.bin")


class Hdfs:
    """What Beam asks of an HDFS client, from a folder of the disk."""

    root = ""

    def __init__(self, url: str, user: str) -> None:
        assert (url, user) == ("http://name-node:9870", "me")

    def status(self, path: str, strict: bool = True) -> Any:
        place = self.root + path
        if not os.path.exists(place):
            if strict:
                raise RuntimeError(f"File does not exist: {path}")
            return None
        status, folder = os.stat(place), os.path.isdir(place)
        return {
            "length": 0 if folder else status.st_size,
            "type": "DIRECTORY" if folder else "FILE",
            "modificationTime": int(status.st_mtime * 1000),
        }

    def list(self, path: str, status: bool) -> Any:
        if not os.path.isdir(self.root + path):
            raise RuntimeError(f"{path} is not a directory")
        names = sorted(os.listdir(self.root + path))
        return [(name, self.status(f"{path}/{name}")) for name in names]

    def read(self, path: str, offset: int, length: int) -> Any:
        file = open(self.root + path, "rb")  # noqa: SIM115
        file.seek(offset)
        return _Part(file, length)


class _Part:
    def __init__(self, file: Any, length: int) -> None:
        self._file, self._length = file, length

    def __enter__(self) -> Any:
        return self

    def read(self) -> bytes:
        return bytes(self._file.read(self._length))

    def __exit__(self, *error: object) -> None:
        self._file.close()


def test_hdfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_video: Any
) -> None:
    """Beam's own file system, with a client of the disk."""
    client = type("Client", (Hdfs,), {"root": str(tmp_path)})
    monkeypatch.setattr(
        hadoopfilesystem, "hdfs", SimpleNamespace(InsecureClient=client)
    )
    options = ["--hdfs_host=name-node", "--hdfs_port=9870", "--hdfs_user=me"]
    FileSystems.set_options(PipelineOptions(options))
    film = os.fspath(small_video.path if hasattr(small_video, "path") else small_video)
    filled(tmp_path / "films", {"tv/a.mp4": film, "tv/old/b.mp4": film, "x.txt": film})
    (tmp_path / "films" / "none").mkdir()
    found = find_files("hdfs://films/**/*.mp4", "search").files
    assert found == [
        ("tv/a.mp4", "hdfs://films/tv/a.mp4"),
        ("tv/old/b.mp4", "hdfs://films/tv/old/b.mp4"),
    ]
    assert find_files("hdfs://films", "search").files == found
    assert find_files("hdfs://films/tv/a.mp4", "search").files == [
        ("a.mp4", "hdfs://films/tv/a.mp4")
    ]
    assert find_files("hdfs://films/no.mp4", "search").files == []
    assert fingerprint("hdfs://films/tv/a.mp4") == fingerprint(film)
    here = NamedVideoStream(NamedStorage(tmp_path / "db"), "a", path=film)
    there = NamedVideoStream(
        NamedStorage(tmp_path / "db"), "b", path="hdfs://films/tv/old/b.mp4"
    )
    rows = [3, 40, 41]
    for one, other in zip(here.load(rows=rows), there.load(rows=rows), strict=True):
        assert (one == other).all()
