"""Descriptors: what makes a stream exist."""

import json
import pickle
import re

import pytest

from beam_scanner.errors import (
    ScannerException,
    StorageError,
)
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    StreamDescriptor,
    gc,
    list_streams,
)
from beam_scanner.storage.sealed_files import seal, unseal
from beam_scanner.storage.stored_rows import Publication
from tests.support.committed import OLD, write


def test_records_survive_json(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    records = json.loads(json.dumps(write(stream, "g1", OLD)))
    assert all(stream.has_segment("g1", record) for record in records)
    assert not stream.has_segment("g2", records[0])
    stream.publish(Publication("g1", records, "f", "r", "src"))
    assert list(stream.load()) == OLD


def test_a_stream_of_another_version(tmp_path):
    """As after a newer release has written into the database."""
    stream = NamedStream(NamedStorage(tmp_path), "s")
    stream.save([b"x"])
    path = tmp_path / "s/stream.json"
    path.write_bytes(seal({**unseal(path.read_bytes()), "format_version": 3}))
    with pytest.raises(StorageError, match="stream 's' has database format version 3"):
        stream.len()


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"format_version": 1}'])
def test_a_damaged_descriptor(tmp_path, text):
    stream = NamedStream(NamedStorage(tmp_path), "s")
    stream.save([b"x"])
    (tmp_path / "s/stream.json").write_text(text)
    for use in (
        stream.len,
        lambda: list(list_streams(stream.storage())),
    ):
        with pytest.raises(
            StorageError, match=r"s/stream\.json'.*(damaged|version None)"
        ):
            use()
    found = gc(stream.storage())
    assert found.keys == ()
    assert re.search(r"s/stream\.json'.*(damaged|version None)", found.left[0])
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


@pytest.mark.parametrize("sums", [[], "none", 3, True])
def test_checksums_that_are_none(tmp_path, sums):
    """As somebody may write them who knows how descriptors are sealed."""
    stream = NamedStream(NamedStorage(tmp_path), "s")
    stream.save([b"x"])
    path = tmp_path / "s/stream.json"
    values = unseal(path.read_bytes())
    values["segments"][0]["sums"] = sums
    path.write_bytes(seal(values))
    for use in (stream.len, stream.committed, lambda: list(stream.load())):
        with pytest.raises(StorageError, match=r"s/stream\.json'.*sums of a segment"):
            use()


def test_descriptors_pickle_and_compare():
    found = StreamDescriptor("é/ü", "blob", "Bytes", 3, "g", ({"first": 0, "rows": 3},))
    assert pickle.loads(pickle.dumps(found)) == found
    assert StreamDescriptor.from_json(found.to_json()) == found
    assert "é/ü".encode() in found.to_json()
    with pytest.raises(ScannerException):
        StreamDescriptor.from_json(b"\xff")
