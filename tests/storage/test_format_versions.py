"""Databases of format version 1 are read, and written to, by this release."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import StorageError
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.job_files import unfinished_tokens
from beam_scanner.scannerpy.client import Client
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.storage.stored_rows import Publication
from beam_scanner.storage.streams.named import gc, list_streams
from beam_scanner.types import NULL
from tests.support import make_database
from tests.support.folders import ROOT

VERSION_1 = ROOT / "tests" / "support" / "version1.tar.gz"


def equal(one, other):
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, np.ndarray):
        same = isinstance(other, np.ndarray) and one.dtype == other.dtype
        return same and one.shape == other.shape and bool((one == other).all())
    return one == other


@pytest.fixture
def old(tmp_path):
    """The folder of a database of version 1, whose film lies elsewhere now."""
    with tarfile.open(VERSION_1) as packed:
        packed.extractall(tmp_path, filter="data")
    path = tmp_path / "db/film/stream.json"
    found = json.loads(path.read_text())
    found["path"] = str(tmp_path / "films/film.mp4")
    path.write_text(json.dumps(found))
    return tmp_path / "db"


def marker(folder):
    return json.loads((folder / "beam_scanner.json").read_text())["format_version"]


def test_every_stream_is_read(old):
    storage = NamedStorage(old)
    expected = make_database.expected()
    names = {found.name for found in list_streams(storage)}
    assert names == {*expected, "video/lossy"}
    for name, values in expected.items():
        stream = NamedStream(storage, name)
        assert stream.descriptor().format_version == 1
        assert stream.len() == len(values)
        assert equal(list(stream.load()), values), name
        some = [row for row in (3, 0, 3) if row < len(values)]
        assert equal(list(stream.load(rows=some)), [values[row] for row in some])
    shown = list(NamedVideoStream(storage, "video/lossy").load())
    differ = [
        np.abs(frame.astype(int) - make_database.frame(row)).mean()
        for row, frame in enumerate(shown)
    ]
    assert len(shown) == 30
    assert max(differ) < 60
    assert marker(old) == 1


def test_questions_leave_the_version(old):
    with Client(db_path=str(old), options=make_database.in_memory()) as sc:
        assert sc.table("pairs").num_rows() == 2
        assert [row[0] for row in sc.table("pairs").load(["a"])] == [b"1", b"3"]
        assert sc.has_table("film")
        source = NamedVideoStream(sc, "film")
        assert source.len() == make_database.FILM_ROWS
        source.save_mp4(old.parent / "saved")
    gc(NamedStorage(old))
    assert marker(old) == 1


def test_new_streams_beside_old_ones(old):
    storage = NamedStorage(old)
    NamedStream(storage, "new").save([b"x", NULL])
    assert marker(old) == 2
    versions = {s.name: s.format_version for s in list_streams(NamedStorage(old))}
    assert versions.pop("new") == 2
    assert set(versions.values()) == {1}
    assert list(NamedStream(NamedStorage(old), "new").load()) == [b"x", NULL]
    assert equal(
        list(NamedStream(storage, "bytes").load()), make_database.values()["bytes"][1]
    )


def test_an_old_stream_is_replaced(old):
    stream = NamedStream(NamedStorage(old), "whole")
    before = stream.files()
    stream.save([7], int)
    assert stream.descriptor().format_version == 2
    assert list(stream.load()) == [7]
    assert not any(Path(file).exists() for file in before)


@pytest.mark.slow
def test_runs_over_old_streams(old):
    expected = make_database.expected()["sums"]
    with Client(db_path=str(old), options=make_database.in_memory()) as sc:
        for number, name in enumerate(("film", "copied", "video/lossless")):
            source = NamedVideoStream(sc, name)
            make_database.run_sum(sc, source, f"sums {number}")
            found = list(NamedStream(sc, f"sums {number}").load())
            assert len(found) == source.len()
            if name == "film":
                assert found == expected
        made = make_database.run_sum(
            sc, NamedVideoStream(sc, "film"), "sums", cache_mode=CacheMode.Ignore
        )
        assert list(NamedStream(sc, "sums").load()) == expected
        # What older code wrote is the result of this code, or is made anew.
        assert made is None or NamedStream(sc, "sums").descriptor().format_version == 2
        sc.ingest_videos([("again", str(old.parent / "films/other.mp4"))])
        assert sc.table("again").num_rows() == make_database.FILM_ROWS
    assert marker(old) == 2


def test_gc_keeps_old_streams_and_unfinished_work(old):
    storage = NamedStorage(old)
    before = sorted(old.rglob("*.parquet"))
    live = list(unfinished_tokens(storage.store()))
    assert len(live) == 1
    assert gc(storage, lambda: live).keys == ()
    assert sorted(old.rglob("*.parquet")) == before
    assert len(gc(storage).keys) == 2  # those of the job that was not finished


def test_unfinished_work_of_older_code_is_gone_on_with(old):
    """Its segments have no checksums, and become part of a stream that says so."""
    from beam_scanner.run.job_files import JobFiles

    store = NamedStorage(old).store()
    folder = next((old / ".work/jobs").iterdir())
    files = JobFiles(store, folder.name)
    token = files.begin()
    records = [files.manifest(0, task)["outputs"][0] for task in (0, 1)]
    stream = NamedStream(NamedStorage(old), "unfinished")
    assert all(stream.has_segment(token, record) for record in records)
    stream.publish(Publication(token, records, type_name="int"))
    assert list(stream.load()) == make_database.expected()["sums"][:16]
    assert stream.descriptor().format_version == 2


@pytest.mark.parametrize(
    "text", ['{"format_version": 3}', '{"format_version": true}', "{}", "[2]", ""]
)
def test_other_versions_are_refused(tmp_path, text):
    NamedStream(NamedStorage(tmp_path), "a").save([b"x"])
    (tmp_path / "beam_scanner.json").write_text(text)
    with pytest.raises(StorageError, match=r"version|marker"):
        list(NamedStream(NamedStorage(tmp_path), "a").load())
