"""Files of objects and listings, against a bucket in memory with small pages."""

import io

from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ObjectNotFoundError
from beam_scanner.stores import object_file
from beam_scanner.stores.bucket_store import BucketStore, Stat

MEBI = 1 << 20


class MemoryBucket(BucketStore):
    def __init__(self, objects, page=3, url="gs://memory"):
        super().__init__(url)
        self.objects = objects
        self.page = page
        self.reads = []
        self.listed = 0

    def stat(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return Stat(len(self.objects[key]), "1")

    def _reason(self, error, action):
        return None

    def _read_range(self, key, start, stop, version):
        self.reads.append((start, stop))
        return self.objects[key][start:stop]

    def _pages(self, prefix, after=""):
        keys = sorted(k for k in self.objects if k.startswith(prefix) and k > after)
        found = [(key, len(self.objects[key])) for key in keys]
        for start in range(0, len(keys) or 1, self.page):
            self.listed += 1
            yield found[start : start + self.page], start + self.page < len(keys)

    def _send(self, key, data, version=None, writer=""):
        self.objects[key] = data

    def _remove(self, key, version=None):
        self.objects.pop(key, None)


CONTENT = bytes(range(251)) * 4200
_steps = st.lists(
    st.tuples(
        st.sampled_from(["set", "cur", "end", "none"]),
        st.integers(-MEBI, MEBI + MEBI // 8),
        st.one_of(st.integers(0, 3000), st.integers(0, MEBI)),
    ),
    max_size=25,
)


@given(_steps, st.sampled_from([1000, 64 * 1024, 256 * 1024]))
def test_reads_what_any_file_would(steps, block):
    before = object_file.BLOCK_BYTES
    object_file.BLOCK_BYTES = block
    try:
        ours = MemoryBucket({"a": CONTENT}).open("a")
        theirs = io.BytesIO(CONTENT)
        for whence, offset, size in steps:
            if whence != "none":
                number = {"set": 0, "cur": 1, "end": 2}[whence]
                base = {"set": 0, "cur": theirs.tell(), "end": len(CONTENT)}[whence]
                if base + offset >= 0:
                    assert ours.seek(offset, number) == theirs.seek(offset, number)
            assert ours.read(size) == theirs.read(size)
            assert ours.tell() == theirs.tell()
        assert ours.read() == theirs.read()
    finally:
        object_file.BLOCK_BYTES = before


def test_reading_on_fetches_more_and_more():
    bucket = MemoryBucket({"a": bytes(16 * MEBI)})
    file = bucket.open("a")
    while file.read(32 * 1024):
        pass
    lengths = [stop - start for start, stop in bucket.reads]
    assert lengths[:5] == [MEBI // 4, MEBI // 2, MEBI, 2 * MEBI, 2 * MEBI]
    assert sum(lengths) == file.size  # type: ignore[attr-defined]
    file.seek(0)
    file.read(10)
    assert bucket.reads[-1] == (0, MEBI // 4)


def test_a_large_read_is_one_request():
    bucket = MemoryBucket({"a": bytes(16 * MEBI)})
    file = bucket.open("a")
    file.seek(MEBI)
    assert len(file.read(3 * MEBI)) == 3 * MEBI
    assert bucket.reads == [(MEBI, 4 * MEBI)]
    assert bytes(file.fetch(5, 7)) == b"\0\0"  # type: ignore[attr-defined]
    assert file.tell() == 4 * MEBI


def test_what_was_read_lately_is_kept():
    bucket = MemoryBucket({"a": bytes(64 * MEBI)})
    file = bucket.open("a")
    for _ in range(50):
        for place in (0, 60 * MEBI, 30 * MEBI):
            file.seek(place)
            file.read(100)
    assert len(bucket.reads) == 3
    for place in range(0, 64 * MEBI, MEBI):
        file.seek(place)
        file.read(1)
    assert len(file._blocks) == 32  # type: ignore[attr-defined]


_keys = st.sets(
    st.lists(
        st.sampled_from(["a", "b", "a b", "a0", "c.segments"]), min_size=1, max_size=4
    ).map("/".join),
    max_size=30,
)
_folders = st.sets(
    st.sampled_from(["a/", "b/", "a/b/", "a/a/", "a b/c.segments/", "b/a0/"]),
    max_size=3,
)


@given(
    _keys, _folders, st.sampled_from(["", "a", "a/", "b/a", "a/b/c"]), st.integers(1, 5)
)
def test_listing_leaves_out_folders(keys, folders, prefix, page):
    objects = {f"root/{key}": b"" for key in keys} | {"rooted": b"", "roos": b""}
    store = MemoryBucket(objects, page, "gs://memory/root")
    below = prefix.rpartition("/")[0] + "/" if "/" in prefix else ""
    expected = [
        key
        for key in sorted(keys)
        if key.startswith(prefix)
        and not any(key.startswith(f) and len(f) > len(below) for f in folders)
    ]
    assert list(store.list(prefix, folders.__contains__)) == expected


def test_a_large_folder_is_jumped_over():
    objects = {f"b/{number}": b"" for number in range(5000)} | {"a": b"", "c": b""}
    bucket = MemoryBucket(objects, page=10)
    assert list(bucket.list("", lambda folder: folder == "b/")) == ["a", "c"]
    assert bucket.listed == 2
