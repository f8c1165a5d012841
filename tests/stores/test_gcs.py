"""Buckets of Google Cloud Storage."""

import os

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.storage import open_store
from beam_scanner.stores import gcs
from beam_scanner.stores.bucket_store import ReplacedError


def test_no_credentials(monkeypatch, tmp_path):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StorageError, match=r"gs://films/a.*no usable credentials"):
        open_store("gs://films").read("a")


@pytest.mark.parametrize("object_server", ["gs"], indirect=True)
def test_a_version_that_was_replaced_is_not_read(store):
    store.put("a", b"one")
    old = store.stat("a")
    assert store.read_version("a", version=old.version) == b"one"
    store.put("a", b"longer")
    new = store.stat("a")
    assert (old.size, new.size) == (3, 6)
    assert new.version != old.version
    with pytest.raises(ReplacedError, match="replaced meanwhile"):
        store.read_version("a", version=old.version)
    assert store.read_version("a", 2, 2, new.version) == b""
    assert store.read_version("a", 90, 95, new.version) == b""


def test_a_client_is_for_one_process_and_endpoint(monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:1")
    one = gcs._client()
    assert gcs._client() is one
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:2")
    assert gcs._client() is not one
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert gcs._client() is not one
