"""What a store inherits, and how errors of a file system are told."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.stores.object_store import (
    ObjectNotFoundError,
    ObjectStore,
    storage_errors,
)
from tests.support.storage_fakes import MemoryStore


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "no space left on the device"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EISDIR, "a folder is where a file should be"),
        (errno.ENOTDIR, "a file is where a folder should be"),
        (errno.ENOLCK, "a database needs a file system with locks (flock)"),
        (errno.EIO, "what the system says"),
    ],
)
def test_the_path_and_the_reason_are_told(number: int, reason: str) -> None:
    error = OSError(number, "what the system says")
    with pytest.raises(StorageError) as caught, storage_errors("write", "/db/a"):
        raise error
    assert str(caught.value) == f"cannot write '/db/a': {reason}"
    assert caught.value.__cause__ is error


def test_what_is_missing_is_an_error_of_its_own() -> None:
    with (
        pytest.raises(ObjectNotFoundError, match="cannot read '/db/a': no such file"),
        storage_errors("read", "/db/a"),
    ):
        raise FileNotFoundError


@pytest.mark.parametrize("error", [StorageError("told already"), ValueError("other")])
def test_other_errors_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, storage_errors("read", "/db/a"):
        raise error
    assert caught.value is error


class Inherits(MemoryStore):
    """A store that has only what it must."""

    put_if = ObjectStore.put_if
    delete_if = ObjectStore.delete_if


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Any:
    return Inherits(request.node.name)


def test_conditional_changes_compare_what_is_there(store: ObjectStore) -> None:
    assert store.put_if("a", b"one", None)
    assert not store.put_if("a", b"two", None)
    assert not store.put_if("a", b"two", b"other")
    assert store.put_if("a", b"two", b"one")
    assert not store.delete_if("a", b"one")
    assert store.read("a") == b"two"
    assert store.delete_if("a", b"two")
    assert store.try_read("a") is None


def test_sizes_leave_out_what_goes_meanwhile(store: Any) -> None:
    for key, data in (("s/1", b"12"), ("s/2", b""), ("t", b"1")):
        store.put(key, data)
    size = store.size

    def goes(key: str) -> int:
        if key == "s/1":
            store.delete(key)
        return int(size(key))

    store.size = goes
    assert store.sizes("s/") == {"s/2": 0}


def test_what_is_remote_is_described_by_its_url(store: ObjectStore) -> None:
    assert store.local_path("a/b") is None
    assert not store.is_local
    assert store.describe("a/b") == f"{store.url}/a/b"
    assert store.relaxed() is store
    assert store.clear_scratch(0) == 0
    assert not store.is_link("a")
