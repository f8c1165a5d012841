"""What every store promises, of those in buckets; against servers."""

import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from beam_scanner.errors import ArgumentError, MissingDependencyError, StorageError
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    ObjectNotFoundError,
    gc,
    list_streams,
    open_store,
)
from beam_scanner.storage.testing import StorageConformance
from beam_scanner.stores import gcs, s3

REFUSAL = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\nConnection: close\r\n\r\n"
    b"not for you  "
)


class TestBucketStore(StorageConformance):
    @pytest.fixture(autouse=True)
    def _bucket(self, bucket_url):
        self.bucket = bucket_url

    def make_store(self):
        return open_store(f"{self.bucket}/db {uuid.uuid4().hex}")


def test_a_whole_bucket_is_a_store(bucket_url):
    store = open_store(f"{bucket_url}/")
    store.put("a/b", b"x")
    assert list(store.list()) == ["a/b"]
    assert store.describe("a/b") == f"{bucket_url}/a/b"
    assert open_store(bucket_url) == store


@pytest.mark.parametrize("key", ["", "/a", "a/", "../a", "a/../b", ".", "a//b", "a\0b"])
def test_keys_cannot_leave_the_root(store, key):
    with pytest.raises(ArgumentError, match="impossible key"):
        store.put(key, b"x")
    with pytest.raises(ArgumentError, match="impossible key"):
        store.open(key)


def test_what_is_missing_is_named(object_server):
    """A bucket that is not there is another matter than an object."""
    url = f"{object_server.scheme}://no-such-bucket/db"
    store = open_store(url)
    for write in (store.put, store.put_if_absent):
        with pytest.raises(StorageError, match=r"db/a'.*no bucket 'no-such-bucket'"):
            write("a", b"x")
    with pytest.raises(StorageError, match="no bucket 'no-such-bucket'"):
        list(store.list())
    with pytest.raises(StorageError, match="no bucket 'no-such-bucket'"):
        NamedStream(NamedStorage(url), "a").save([b"x"])
    with pytest.raises(StorageError, match="no-such-bucket/db/a"):
        store.read("a")


def test_no_permission(store, forwarder):
    store.put("a", b"x")
    forwarder.refuse = REFUSAL
    for use in (
        lambda: store.read("a"),
        lambda: store.put("a", b"y"),
        lambda: store.put_if_absent("b", b"y"),
        lambda: store.delete("a"),
        lambda: list(store.list()),
        lambda: store.exists("a"),
    ):
        with pytest.raises(StorageError, match=r"db.*permission denied"):
            use()


def test_an_answer_that_got_lost(store, forwarder):
    """The library asks again and is refused; the object is ours all the same."""
    for key in ("m/1", "m/2"):
        forwarder.lose_answers = 1
        assert store.put_if_absent(key, b"mine")
        assert forwarder.lose_answers == 0
        assert store.read(key) == b"mine"
        assert not store.put_if_absent(key, b"mine")
    forwarder.lose_answers = 1
    store.put("m/1", b"other")
    assert store.read("m/1") == b"other"


def test_one_writer_wins_in_several_processes_worth_of_clients(store):
    """Each thread has its own copy of the store, and they begin together."""
    barrier = threading.Barrier(6)

    def put(number):
        mine = open_store(store.url)
        barrier.wait()
        return mine.put_if_absent("manifest", b"%d" % number * 50_000)

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(put, range(6)))
    assert sum(won) == 1
    assert store.read("manifest") == b"%d" % won.index(True) * 50_000


def test_a_file_that_is_replaced_while_it_is_read(store):
    """Never some bytes of the one and some of the other."""
    store.put("a", b"old" * 500_000)
    with store.open("a") as file:
        assert file.read(3) == b"old"
        store.put("a", b"new" * 500_000)
        file.seek(1_200_000)
        with pytest.raises(StorageError, match=r"db/a'.*replaced meanwhile"):
            file.read(3)
    with store.open("a") as file:
        file.seek(1_200_000)
        assert file.read(3) == b"new"


def test_only_what_is_near_is_fetched(store, forwarder):
    store.put("a", bytes(20_000_000))
    forwarder.reset()
    with store.open("a") as file:
        for place in (100, 10_000_000, 19_999_990):
            file.seek(place)
            file.read(10)
        file.seek(150)
        file.read(10)
    # The first asks for the size.
    assert len(forwarder.requests) == 1 + 3
    assert forwarder.sent < 3 * 256 * 1024 + 10_000


def test_listing_pages(store, monkeypatch):
    """More keys than a page has, and a start in the middle."""
    monkeypatch.setattr(gcs, "PAGE_KEYS", 4)
    monkeypatch.setattr(s3, "PAGE_KEYS", 4)
    keys = [f"p/{number:04d}" for number in range(11)]
    for key in keys:
        store.put(key, b"")
    assert list(store.list("p/")) == keys
    assert list(store.list("p/", lambda folder: folder == "p/")) == keys
    assert list(store.list("", lambda folder: folder == "p/")) == []
    pages = list(store._pages("db/p/", f"db/{keys[2]}"))
    assert [(len(page), more) for page, more in pages] == [(4, True), (4, False)]
    assert pages[0][0][0] == (f"db/{keys[3]}", 0)


def test_marks_of_folders_are_no_streams(store):
    """Consoles make objects whose key ends with a slash."""
    bucket = store.url.split("/")[2]
    for key in ("db/", "db/a/"):
        if store.url.startswith("gs://"):
            gcs._client().bucket(bucket).blob(key).upload_from_string(b"")
        else:
            s3._client().put_object(Bucket=bucket, Key=key, Body=b"")
    store.put("a/b", b"x")
    assert list(store.list()) == ["a/b"]


def test_named_streams(store):
    storage = NamedStorage(store.url)
    stream = NamedStream(storage, "films/Amélie 100%")
    stream.save([b"a", b"b"])
    stream.save([b"c"])
    assert list(NamedStream(storage, "films/Amélie 100%").load()) == [b"c"]
    assert [found.name for found in list_streams(storage)] == ["films/Amélie 100%"]
    assert all(file.startswith(f"{store.url}/films/") for file in stream.files())
    assert gc(storage).keys == ()
    stream.delete()
    assert list(store.list()) == ["beam_scanner.json"]


@pytest.mark.parametrize(
    "url", ["gs://", "s3://?/a", "gs://films//a", "s3://films/../a", "gs://a"]
)
def test_urls_that_are_none(url):
    with pytest.raises(ArgumentError, match=r"expected a|impossible key"):
        open_store(url)


@pytest.mark.parametrize(
    ("url", "module", "line"),
    [
        ("gs://films/a", "google.cloud.storage", r"pip install .*\[gcp\]"),
        ("s3://films/a", "boto3.exceptions", r"pip install .*\[s3\]"),
    ],
)
def test_a_library_that_is_not_there(url, module, line, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    store = open_store(url)
    with pytest.raises(MissingDependencyError, match=line):
        store.read("x")
    with pytest.raises(MissingDependencyError, match=line):
        list(store.list())


def test_missing_objects_are_files_that_are_not_there(store):
    with pytest.raises(FileNotFoundError) as caught:
        store.read("none")
    assert isinstance(caught.value, ObjectNotFoundError)
