import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import types
from beam_scanner.errors import (
    ElementTypeError,
    StorageError,
    StreamExistsError,
)
from beam_scanner.storage import (
    LocalStore,
    NamedStorage,
    NamedStream,
    gc,
    list_streams,
)
from beam_scanner.storage.commit import tiled
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import get_type_info
from tests.support.committed import NEW, OLD, write
from tests.support.folders import ROOT
from tests.support.storage_fakes import MemoryStore


class Killed(BaseException):
    """As good as SIGKILL: nothing after it runs in the process that died."""


class DyingStore(LocalStore):
    """Dies before its n-th change; with ``after``, right behind it."""

    def __init__(self, root, changes, after=False):
        super().__init__(root, durable=False)
        self.left, self.after = changes, after

    def _step(self, change, *args):
        if self.left == 0 and not self.after:
            raise Killed
        if self.left < 0:
            raise Killed
        done = change(*args)
        self.left -= 1
        if self.left < 0:
            raise Killed
        return done

    def put(self, key, data):
        return self._step(super().put, key, data)

    def put_if_absent(self, key, data):
        return self._step(super().put_if_absent, key, data)

    def put_if(self, key, data, expected):
        if expected is None:
            return self.put_if_absent(key, data)
        return super().put_if(key, data, expected)

    def delete(self, key):
        return self._step(super().delete, key)


_WHEN = re.compile(rb'"(published|checksum)": "[^"]*"')


def tree(folder):
    """The files, but for the time at which a stream was published."""
    return {
        str(path.relative_to(folder)): _WHEN.sub(b"", path.read_bytes())
        for path in Path(folder).rglob("*")
        if path.is_file() and ".tmp" not in path.parts
    }


def replace_stream(store):
    """What an overwriting run does, down to its losers' files."""
    stream = NamedStream(NamedStorage(store), "s")
    write(stream, "g2", NEW, attempt="lost")
    stream.publish(Publication("g2", write(stream, "g2", NEW), "new", "run2", "src"))


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_while_replacing(tmp_path, after):
    """The old rows until the new ones are all there; then the same as undisturbed."""

    def begin(folder):
        store = LocalStore(folder, durable=False)
        stream = NamedStream(NamedStorage(store), "s")
        stream.publish(
            Publication("g1", write(stream, "g1", OLD), "old", "run1", "src")
        )
        return stream

    begin(tmp_path / "calm")
    replace_stream(LocalStore(tmp_path / "calm", durable=False))
    calm = tree(tmp_path / "calm")
    assert len(calm) == 4
    finished, seen = False, set()
    for changes in range(100):
        folder = tmp_path / f"{changes}"
        stream = begin(folder)
        try:
            replace_stream(DyingStore(folder, changes, after))
            finished = True
        except Killed:
            pass
        loaded = tuple(stream.load())
        seen.add(loaded)
        assert loaded in (tuple(OLD), tuple(NEW))
        replace_stream(LocalStore(folder, durable=False))
        assert list(stream.load()) == NEW
        assert tree(folder) == calm
        if finished:
            break
    assert finished
    assert changes >= 8
    assert len(seen) == 2


def test_killed_anywhere_while_deleting(tmp_path):
    for changes in range(100):
        folder = tmp_path / f"{changes}"
        store = LocalStore(folder, durable=False)
        stream = NamedStream(NamedStorage(store), "s")
        stream.publish(Publication("g1", write(stream, "g1", OLD), "f", "r", "s"))
        dying = NamedStream(NamedStorage(DyingStore(folder, changes)), "s")
        try:
            dying.delete()
            finished = True
        except Killed:
            finished = False
        assert list(stream.load()) == OLD if changes == 0 else not stream.exists()
        assert list(list_streams(store))[:] == (
            [stream.descriptor()] if changes == 0 else []
        )
        gc(store)
        stream.delete()
        assert set(tree(folder)) == {"beam_scanner.json"}
        if finished:
            return
    raise AssertionError("never finished")


def test_killed_while_writing_leaves_nothing_visible(tmp_path):
    storage = NamedStorage(tmp_path)
    stream = NamedStream(storage, "s")
    writer = stream.segment_writer(SegmentTask("g1", 0, "a", 0))
    writer.write(0, [b"x" * 5_000_000] * 2, np.zeros(2))
    assert not stream.exists()
    assert set(tree(tmp_path)) == {"beam_scanner.json"}
    writer.abort()
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_publishing_again_changes_nothing(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    records = write(stream, "g1", OLD)
    for _ in range(3):
        stream.publish(Publication("g1", records, "f", "r", "src"))
    before = tree(tmp_path)
    late = write(stream, "g1", OLD, attempt="late")
    stream.publish(Publication("g1", late, "f", "r", "src"))
    assert tree(tmp_path) == before
    assert list(stream.load()) == OLD


def test_two_sources_under_one_name(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    stream.publish(Publication("g1", write(stream, "g1", OLD), "f1", "run", "one"))
    with pytest.raises(
        StreamExistsError, match="two sources of one run write stream 's'"
    ):
        stream.publish(
            Publication("g2", write(stream, "g2", NEW), "f2", "run", "other")
        )
    assert list(stream.load()) == OLD
    stream.publish(
        Publication("g2", write(stream, "g2", NEW), "f2", "another run", "other")
    )
    assert list(stream.load()) == NEW


def test_missing_files_cannot_be_published(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    records = write(stream, "g1", OLD)
    stream.storage().store().delete(f"s/g1.segments/{records[1]['files'][0]}")
    with pytest.raises(StorageError, match=r"00000001-a\.parquet' is missing"):
        stream.publish(Publication("g1", records, "f", "r", "s"))
    assert not stream.exists()


def test_segments_of_different_types(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    records = []
    for task, ty in enumerate((bytes, types.NumpyArrayInt32)):
        writer = stream.segment_writer(
            SegmentTask("g", task, "a", task, None, get_type_info(ty))
        )
        writer.write(task, [b"1234"], np.zeros(1))
        records.append(writer.finish())
    with pytest.raises(
        ElementTypeError, match="row 1 of stream 's' has type 'NumpyArray"
    ):
        stream.publish(Publication("g", records, "f", "r", "s"))


_cuts = st.lists(st.integers(1, 5), max_size=8)


@given(_cuts, st.randoms())
def test_tiles_in_any_order(lengths, random):
    starts = np.cumsum([0, *lengths]).tolist()
    records = [
        {"first": start, "rows": rows}
        for start, rows in zip(starts, [*lengths, 0], strict=True)
    ]
    shuffled = random.sample(records, len(records))
    assert tiled("s", shuffled) == tuple(records[:-1])
    if len(lengths) > 1:
        gap = [record for record in shuffled if record["first"] != starts[1]]
        last = len(lengths) == 2
        if not last:
            with pytest.raises(
                StorageError, match=rf"rows {starts[1]} to .* are missing"
            ):
                tiled("s", gap)
        with pytest.raises(StorageError, match="overlap"):
            tiled("s", [*shuffled, records[0]])


def test_gc_removes_only_what_nothing_needs(tmp_path):
    storage = NamedStorage(LocalStore(tmp_path, durable=False))
    store = storage.store()
    kept = NamedStream(storage, "a/kept")
    kept.publish(Publication("g1", write(kept, "g1", OLD), "f", "r", "s"))
    write(kept, "g1", OLD, attempt="stray")
    write(kept, "crashed", NEW)
    write(NamedStream(storage, "never"), "live", NEW)
    write(NamedStream(storage, "gone"), "g1", NEW)
    store.put(".work/run/tasks/1.segments/x", b"a run's own")
    before = tree(tmp_path)
    found = gc(storage, live=lambda: {"live"}, dry_run=True)
    assert tree(tmp_path) == before
    assert sorted(found.keys) == [
        "a/kept/crashed.segments/00000000-a.parquet",
        "a/kept/crashed.segments/00000001-a.parquet",
        "a/kept/g1.segments/00000000-stray.parquet",
        "a/kept/g1.segments/00000001-stray.parquet",
        "gone/g1.segments/00000000-a.parquet",
        "gone/g1.segments/00000001-a.parquet",
    ]
    assert found.size_bytes == sum(len(before[key]) for key in found.keys)
    assert gc(storage, live=lambda: {"live"}).keys == found.keys
    assert set(tree(tmp_path)) == set(before) - set(found.keys)
    assert list(kept.load()) == OLD
    assert not (tmp_path / "gone").exists()
    assert gc(storage, live=lambda: {"live"}).keys == ()


def test_gc_spares_what_is_committed_or_begun_while_it_lists(tmp_path):
    begun: list[Any] = []

    class Busy(LocalStore):
        def list(self, *args):
            yield from super().list(*args)
            if not begun:
                begun.append("begun")
                made.publish(Publication("g1", records, "f", "r", "s"))

    storage = NamedStorage(LocalStore(tmp_path, durable=False))
    made, other = NamedStream(storage, "made"), NamedStream(storage, "other")
    records = write(made, "g1", OLD)
    write(other, "begun", NEW)
    assert gc(Busy(tmp_path, durable=False), live=lambda: begun).keys == ()
    assert list(made.load()) == OLD


def test_delete_takes_the_stream_alone(tmp_path):
    """What another generation holds may be a run's work: gc can tell."""
    storage = NamedStorage(tmp_path)
    stream, below = NamedStream(storage, "s"), NamedStream(storage, "s/below")
    stream.publish(Publication("g1", write(stream, "g1", OLD), "f", "r", "s"))
    records = write(stream, "begun", NEW)
    below.save([b"x"])
    stream.delete()
    assert not stream.exists()
    assert list(below.load()) == [b"x"]
    stream.publish(Publication("begun", records, "f", "r", "s", seen="g1"))
    assert list(stream.load()) == NEW
    write(stream, "crashed", OLD)
    stream.delete()
    gc(storage)
    assert {path.split("/")[1] for path in tree(tmp_path) if path[0] == "s"} == {
        "below"
    }
    storage.delete(None, [stream, below])
    assert not (tmp_path / "s").exists()


def test_unpublish_keeps_the_segments(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    records = write(stream, "g1", OLD)
    stream.publish(Publication("g1", records, "f", "r", "s"))
    stream.unpublish()
    assert not stream.exists()
    assert all(stream.has_segment("g1", record) for record in records)
    stream.publish(Publication("g1", records, "f", "r", "s"))
    assert list(stream.load()) == OLD


def test_files_are_exactly_the_committed_ones(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "a b")
    records = write(stream, "g1", OLD)
    stream.publish(Publication("g1", records, "f", "r", "s"))
    write(stream, "g1", OLD, attempt="stray")
    assert stream.files() == [
        str(tmp_path / "a b/g1.segments/00000000-a.parquet"),
        str(tmp_path / "a b/g1.segments/00000001-a.parquet"),
    ]
    assert stream.files(".mp4") == []


@pytest.mark.slow
def test_a_killed_process(tmp_path):
    """For real, at seeded moments of endless replacing."""
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from beam_scanner.storage import NamedStorage, NamedStream
        stream = NamedStream(NamedStorage({str(tmp_path)!r}), 's')
        number = 0
        while True:
            number += 1
            stream.save([b'%d' % number * 10_000] * (number % 7 + 1))
            if number == 1:
                print('ready', flush=True)
        """
    )
    random = Random(5)
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        with child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(random.uniform(0.05, 0.25))
            child.kill()
        stream = NamedStream(NamedStorage(tmp_path), "s")
        loaded = list(stream.load())
        number = int(loaded[0][: len(loaded[0]) // 10_000])
        assert loaded == [b"%d" % number * 10_000] * (number % 7 + 1)
        gc(stream.storage())
        assert list(stream.load()) == loaded
        names = {path for path in tree(tmp_path) if path[0] == "s"}
        assert names == {
            "s/stream.json",
            str(Path(stream.files()[0]).relative_to(tmp_path)),
        }


# Databases of other versions, and damage.


def test_another_database_version(tmp_path):
    NamedStream(NamedStorage(tmp_path), "s").save([b"x"])
    (tmp_path / "beam_scanner.json").write_text('{"format_version": 7}')
    stream = NamedStream(NamedStorage(tmp_path), "s")
    for use in (
        stream.len,
        stream.committed,
        stream.delete,
        lambda: stream.save([b"y"]),
        lambda: list(list_streams(NamedStorage(tmp_path))),
        lambda: gc(NamedStorage(tmp_path)),
        lambda: next(stream.load()),
    ):
        with pytest.raises(StorageError, match=r"version 7, but .* version 1 and 2"):
            use()
    (tmp_path / "beam_scanner.json").write_text("something else")
    with pytest.raises(StorageError, match="not the marker of a beam_scanner database"):
        NamedStream(NamedStorage(tmp_path), "s").len()


def test_two_names_on_a_file_system_that_ignores_case():
    store = MemoryStore("case")
    NamedStream(NamedStorage(store), "Films").save([b"x"])
    store.put("films/stream.json", store.read("Films/stream.json"))
    with pytest.raises(
        StorageError,
        match=r"folder of stream 'films' holds stream 'Films'.* same folder",
    ):
        NamedStream(NamedStorage(store), "films").len()
