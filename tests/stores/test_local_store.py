import errno
import os
import tempfile
import textwrap
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.storage import LocalStore
from beam_scanner.storage.testing import StorageConformance
from tests.support.folders import ROOT
from tests.support.programs import run_code


class TestLocalStore(StorageConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make_store(self):
        return LocalStore(self.folder / "new" / uuid.uuid4().hex)


@pytest.mark.parametrize("key", ["", "/a", "a/", "../a", "a/../b", ".", "a//b", "a\0b"])
def test_keys_cannot_leave_the_root(tmp_path, key):
    store = LocalStore(tmp_path / "db")
    with pytest.raises(ArgumentError, match="impossible key"):
        store.put(key, b"x")
    with pytest.raises(ArgumentError, match="impossible key"):
        store.read(key)


def test_nothing_is_made_before_the_first_write(tmp_path):
    store = LocalStore(tmp_path / "db")
    assert not store.exists("a")
    assert list(store.list()) == []
    store.delete("a")
    assert not (tmp_path / "db").exists()


def test_interrupted_write_leaves_the_old_object(tmp_path, monkeypatch):
    store = LocalStore(tmp_path)
    store.put("a", b"old")

    def dies(*_):
        raise OSError(errno.EIO, "the disk went away")

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(StorageError, match=r"cannot write '.*a'.*disk went away"):
        store.put("a", b"new")
    with pytest.raises(StorageError, match="disk went away"):
        store.put_if_absent("b", b"new")
    monkeypatch.undo()
    assert store.read("a") == b"old"
    assert list(store.list()) == ["a"]
    assert os.listdir(tmp_path / ".tmp") == []


def test_a_file_from_another_disk_is_copied(tmp_path, monkeypatch):
    store = LocalStore(tmp_path / "db")
    source = tmp_path / "x"
    source.write_bytes(b"content")

    def crosses(_a, _b):
        raise OSError(errno.EXDEV, "cross-device link")

    monkeypatch.setattr(os, "rename", crosses)
    store.put("a", source)
    assert store.read("a") == b"content"
    assert not source.exists()


def test_a_file_where_a_folder_should_be(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a", b"x")
    with pytest.raises(StorageError, match=r"cannot write '.*a/b'"):
        store.put("a/b", b"y")


def test_scratch_left_by_a_crash_is_cleared_when_old(tmp_path):
    store = LocalStore(tmp_path)
    Path(store.scratch(".mp4")).write_bytes(b"half a video")
    assert list(store.list()) == []
    assert store.clear_scratch(3600) == 0
    assert store.clear_scratch(-1) == 1


def test_deleting_and_writing_side_by_side(tmp_path):
    """The folder that one empties may go while another writes into it."""
    from concurrent.futures import ThreadPoolExecutor

    store = LocalStore(tmp_path, durable=False)

    def churn(number):
        for _ in range(200):
            store.put(f"a/b/{number}", b"x")
            store.delete(f"a/b/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(churn, range(4)))
    assert list(store.list()) == []


def test_a_folder_that_others_remove_again_and_again(tmp_path, monkeypatch):
    store = LocalStore(tmp_path, durable=False)
    replace, removed = os.replace, []

    def late(source, path):
        if len(removed) < 50:
            os.rmdir(os.path.dirname(path))
            removed.append(path)
        replace(source, path)

    monkeypatch.setattr(os, "replace", late)
    store.put("a/b", b"x")
    assert store.read("a/b") == b"x"
    assert len(removed) == 50


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refuses(_a, _b):
        raise OSError(errno.EPERM, "operation not permitted")

    monkeypatch.setattr(os, "link", refuses)
    with pytest.raises(StorageError, match=r"cannot write '.*/a': .* hard links"):
        LocalStore(tmp_path).put_if_absent("a", b"x")
    assert os.listdir(tmp_path / ".tmp") == []


_names = st.text("ab.-/ é", min_size=1, max_size=6).filter(
    lambda key: all(part not in ("", ".", "..") for part in key.split("/"))
)


@given(st.sets(_names, max_size=12), st.text("ab.-/ é", max_size=3))
def test_listing_is_that_of_sorted_keys(names, prefix):
    keys = {n for n in names if not any(o.startswith(f"{n}/") for o in names)}
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(folder, durable=False)
        for key in keys:
            store.put(key, b"")
        expected = sorted(key for key in keys if key.startswith(prefix))
        assert list(store.list(prefix)) == expected


def test_no_permission(tmp_path):
    """As a user who may not write, in a process of its own where we are root."""
    folder = Path(tempfile.mkdtemp(prefix="beam_scanner-"))
    folder.chmod(0o755)
    (folder / "db").mkdir(mode=0o555)
    script = textwrap.dedent(
        f"""
        import os, sys
        sys.path.insert(0, {str(ROOT)!r})
        from beam_scanner.errors import StorageError
        from beam_scanner.storage import NamedStorage, NamedStream
        from beam_scanner.stores.local_store import LocalStore
        if os.geteuid() == 0:
            os.setgid(65534); os.setuid(65534)
        for write in (
            lambda: LocalStore({str(folder / "db")!r}).put('a', b'x'),
            lambda: NamedStream(NamedStorage({str(folder / "db")!r}), 'a').save([b'x']),
            lambda: NamedStream(NamedStorage({str(folder / "db/deeper")!r}), 'a').save([b'x']),
        ):
            try:
                write()
            except StorageError as error:
                assert 'permission denied' in str(error), error
                assert {str(folder / "db")!r} in str(error), error
            else:
                sys.exit('written without permission')
        assert not NamedStream(NamedStorage({str(folder / "db")!r}), 'a').committed()
        """
    )
    run_code(script)


def test_importing_storage_loads_no_media_library():
    script = "import sys, beam_scanner.storage; sys.exit('av' in sys.modules or 'cv2' in sys.modules)"
    run_code(script)
