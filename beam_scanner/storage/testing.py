"""Tests that every object store must pass, for whoever writes one.

Subclass :class:`StorageConformance` in a test module, with a ``make_store``::

    class TestMyStore(StorageConformance):
        def make_store(self):
            return MyStore(...)  # empty
"""

from __future__ import annotations

import os
import pickle
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from beam_scanner.errors import StorageError
from beam_scanner.stores.object_store import ObjectNotFoundError, ObjectStore


def _raises(kind: type[Exception], call: Callable[[], object], word: str) -> None:
    message = None
    try:
        call()
    except kind as error:
        message = str(error)
    assert message is not None, f"expected {kind.__name__}"
    assert word in message, f"{message} should name {word!r}"


class StorageConformance(ABC):
    """What :class:`~beam_scanner.storage.ObjectStore` promises, as tests."""

    @abstractmethod
    def make_store(self) -> ObjectStore:
        """A new, empty store."""

    def test_reads_what_was_put(self) -> None:
        """Whole objects and ranges; ranges are cut short at the end."""
        store = self.make_store()
        store.put("a/b", b"0123456789")
        assert store.read("a/b") == b"0123456789"
        assert store.read("a/b", 3) == b"3456789"
        assert store.read("a/b", 3, 5) == b"34"
        assert store.read("a/b", 8, 50) == b"89"
        assert store.read("a/b", 50, 60) == b""
        assert store.size("a/b") == 10

    def test_put_replaces(self) -> None:
        """The last one counts; empty objects are objects."""
        store = self.make_store()
        store.put("a", b"long before")
        store.put("a", b"")
        assert store.read("a") == b""
        assert store.exists("a")
        assert store.size("a") == 0

    def test_put_takes_a_file_over(self) -> None:
        """A file from anywhere, or from the store's scratch space, is moved."""
        store = self.make_store()
        folder = tempfile.mkdtemp()
        for number, path in enumerate([f"{folder}/x", store.scratch(".bin")]):
            Path(path).write_bytes(b"content")
            store.put(f"f/{number}", Path(path))
            assert store.read(f"f/{number}") == b"content"
            assert not os.path.exists(path)
        assert list(store.list()) == ["f/0", "f/1"]

    def test_put_of_a_missing_file_is_an_error(self) -> None:
        """And leaves nothing behind."""
        store = self.make_store()
        _raises(StorageError, lambda: store.put("a", Path("/no/such/file")), "")
        assert not store.exists("a")

    def test_put_if_absent(self) -> None:
        """The first wins; the others change nothing."""
        store = self.make_store()
        assert store.put_if_absent("m/1", b"first")
        assert not store.put_if_absent("m/1", b"second")
        assert store.read("m/1") == b"first"
        store.delete("m/1")
        assert store.put_if_absent("m/1", b"third")

    def test_one_of_many_wins(self) -> None:
        """Of concurrent put_if_absent calls exactly one returns True."""
        store = self.make_store()
        with ThreadPoolExecutor(8) as pool:
            for key in ("r/1", "r/2", "r/3"):
                bodies = [b"%d" % i * 1000 for i in range(16)]
                won = list(pool.map(lambda b, k=key: store.put_if_absent(k, b), bodies))
                assert sum(won) == 1
                assert store.read(key) == bodies[won.index(True)]

    def test_put_if(self) -> None:
        """Only in place of what was read; of nothing, if nothing was there."""
        store = self.make_store()
        assert not store.put_if("d/1", b"new", b"expected")
        assert not store.exists("d/1")
        assert store.put_if("d/1", b"one", None)
        assert not store.put_if("d/1", b"two", None)
        assert not store.put_if("d/1", b"two", b"other")
        assert store.read("d/1") == b"one"
        assert store.put_if("d/1", b"two", b"one")
        assert store.put_if("d/1", b"two", b"two")
        assert not store.put_if("d/1", b"three", b"one")
        assert store.read("d/1") == b"two"
        store.delete("d/1")
        assert not store.put_if("d/1", b"three", b"two")
        assert list(store.list()) == []

    def test_one_of_many_replaces(self) -> None:
        """Of concurrent put_if calls with the same expectation one returns True."""
        store = self.make_store()
        if type(store).put_if is ObjectStore.put_if:
            return  # It says itself that it promises less.
        store.put("r", b"old")
        before = b"old"
        with ThreadPoolExecutor(8) as pool:
            for turn in range(3):
                bodies = [b"%d %d" % (turn, i) for i in range(12)]
                won = list(
                    pool.map(lambda b, old=before: store.put_if("r", b, old), bodies)
                )
                assert sum(won) == 1
                before = bodies[won.index(True)]
                assert store.read("r") == before

    def test_delete_if(self) -> None:
        """Only what was read; an absent object is not removed."""
        store = self.make_store()
        assert not store.delete_if("d/1", b"")
        store.put("d/1", b"one")
        assert not store.delete_if("d/1", b"other")
        assert store.read("d/1") == b"one"
        assert store.delete_if("d/1", b"one")
        assert not store.exists("d/1")
        assert list(store.list()) == []

    def test_sizes(self) -> None:
        """Of all objects whose keys begin so."""
        store = self.make_store()
        for key, size in (("s/1", 0), ("s/2", 5), ("s/t/3", 7), ("t", 1)):
            store.put(key, b"x" * size)
        assert store.sizes("s/") == {"s/1": 0, "s/2": 5, "s/t/3": 7}
        assert store.sizes("no/") == {}

    def test_readers_see_whole_objects(self) -> None:
        """While an object is replaced, a reader gets the old one or the new one."""
        store = self.make_store()
        bodies = [b"a" * 100_000, b"b" * 50_000]
        store.put("x", bodies[0])
        with ThreadPoolExecutor(2) as pool:
            writing = pool.submit(
                lambda: [store.put("x", bodies[i % 2]) for i in range(50)]
            )
            while not writing.done():
                assert store.read("x") in bodies
            writing.result()

    def test_missing_objects(self) -> None:
        """Reading one is an error with its name; deleting one is not."""
        store = self.make_store()
        _raises(ObjectNotFoundError, lambda: store.read("no/thing"), "no/thing")
        _raises(ObjectNotFoundError, lambda: store.size("no/thing"), "no/thing")
        _raises(ObjectNotFoundError, lambda: store.open("no/thing"), "no/thing")
        assert not store.exists("no/thing")
        assert store.try_read("no/thing") is None
        store.delete("no/thing")

    def test_folders_are_no_objects(self) -> None:
        """A key that others begin with does not exist."""
        store = self.make_store()
        store.put("a/b/c", b"x")
        assert not store.exists("a/b")
        assert not store.exists("a")

    def test_lists_in_order(self) -> None:
        """By any prefix, lexicographically, lazily skipping what is not wanted."""
        store = self.make_store()
        keys = [
            "a",
            "a b/c",
            "a-b",
            "a/b",
            "a/b.c",
            "a/b/c",
            "a0",
            "é/ü",
            "z/1",
            "z/10",
        ]
        for key in keys:
            if key not in ("a", "a/b"):  # file systems hold a file or a folder
                store.put(key, b"x")
        present = sorted(set(keys) - {"a", "a/b"})
        assert list(store.list()) == present
        for prefix in ("a", "a/", "a/b", "a/b/", "z/1", "é", "q", "q/r/"):
            expected = [key for key in present if key.startswith(prefix)]
            assert list(store.list(prefix)) == expected
        assert list(store.list("", lambda folder: folder == "a/b/")) == [
            key for key in present if not key.startswith("a/b/")
        ]
        assert list(store.list("", lambda folder: folder == "z/")) == [
            key for key in present if not key.startswith("z/")
        ]

    def test_deletes(self) -> None:
        """An object goes, its neighbours stay."""
        store = self.make_store()
        store.put("d/1", b"x")
        store.put("d/2", b"x")
        store.delete("d/1")
        assert list(store.list()) == ["d/2"]
        store.delete("d/2")
        assert list(store.list()) == []
        store.put("d", b"now a file")
        assert store.read("d") == b"now a file"

    def test_opens_seekable_files(self) -> None:
        """As decoders and Parquet readers need."""
        store = self.make_store()
        store.put("o", bytes(range(100)))
        with store.open("o") as file:
            assert file.seekable()
            file.seek(-10, os.SEEK_END)
            assert file.tell() == 90
            assert file.read(3) == bytes([90, 91, 92])
            file.seek(5)
            assert file.read(1) == b"\x05"

    def test_local_path_is_where_the_object_lies(self) -> None:
        """Or None, where other programs cannot find it."""
        store = self.make_store()
        store.put("p/q", b"x")
        path = store.local_path("p/q")
        if path is not None:
            assert Path(path).read_bytes() == b"x"
        assert "q" in store.describe("p/q")

    def test_pickles(self) -> None:
        """Workers get copies that lead to the same objects."""
        store = self.make_store()
        store.put("k", b"x")
        copy = pickle.loads(pickle.dumps(store))
        assert copy == store
        assert copy.read("k") == b"x"

    def test_keys_with_odd_letters(self) -> None:
        """Spaces, percent signs and any alphabet."""
        store = self.make_store()
        for key in (
            "a b/c d.txt",
            "ü/日本 語",
            "100%/%2E%2E",
            "a'b\"c",
            "#&+=,;@!~$(x)",
        ):
            store.put(key, key.encode())
            assert store.read(key) == key.encode()
            assert list(store.list(key)) == [key]
