import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError
from beam_scanner.storage import NamedStorage, NamedStream, gc, list_streams
from beam_scanner.storage.stream_names import (
    descriptor_key,
    generation_key,
    is_generation,
    stream_key,
)
from beam_scanner.stores.local_store import LocalStore

_text = st.text(
    st.sampled_from("ab./%\\: ~*?[]é日\0\n") | st.characters(codec=None), max_size=12
).flatmap(lambda text: st.sampled_from([text, text * 40, text * 60]))


def key_of(name):
    try:
        return stream_key(name)
    except ArgumentError:
        assume(False)


@given(_text, _text)
def test_two_names_never_share_a_folder(one, other):
    assume(one != other)
    assert key_of(one) != key_of(other)


@given(_text)
def test_keys_stay_in_the_database(name):
    key = key_of(name)
    root = os.path.normpath("/db")
    path = os.path.normpath(os.path.join(root, key))
    assert path.startswith("/db/")
    assert path == f"/db/{key}"
    assert LocalStore("/db").local_path(key) == path
    assert not any(part.startswith(".") for part in key.split("/"))
    assert not set(key) & set('\0\n\\:*?"<>|[]')
    key.encode("utf-8")


@given(_text, _text)
def test_no_stream_lies_in_the_files_of_another(one, other):
    stream, below = key_of(one), key_of(other)
    for own in (descriptor_key(one), generation_key(one, "g1")):
        assert below != own
        assert not below.startswith(f"{own}/")
    assert stream != "beam_scanner.json"
    assert stream.split("/")[0] not in (".work", ".tmp")


@pytest.mark.parametrize(
    "name", ["a", "films/a.mp4", "a b", "Amélie/日本.mp4", "a.b.c", "-x", "~", "#1 & 2"]
)
def test_ordinary_names_are_their_own_keys(name):
    assert stream_key(name) == name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a//b", "a/%/b"),
        ("a/", "a/%"),
        ("a/../b", "a/%2E%2E/b"),
        ("./a", "%2E/a"),
        (".work/x", "%2Ework/x"),
        ("50%", "50%25"),
        ("x/stream.json", "x/stream%2Ejson"),
        ("x/g1.segments", "x/g1%2Esegments"),
        ("beam_scanner.json", "beam_scanner%2Ejson"),
        ("a\udcff", "a%ED%B3%BF"),
    ],
)
def test_what_is_quoted(name, key):
    assert stream_key(name) == key


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b", "/a", "/", "a/./../../b"])
def test_leaving_the_database_is_an_error(name):
    with pytest.raises(ArgumentError, match="would leave the database folder"):
        stream_key(name)


@pytest.mark.parametrize("name", ["", None, 7, b"a"])
def test_no_name(name):
    with pytest.raises(ArgumentError, match="expected a stream name"):
        stream_key(name)


@pytest.mark.parametrize("name", ["x" * 801, "é" * 401, "x/" * 3000 + "x"])
def test_too_long(name):
    with pytest.raises(ArgumentError, match="too long: at most 800 bytes"):
        stream_key(name)


LONG = ["x" * 241, "é" * 121, "%" * 200, "/".join(["x" * 200] * 5), "a/" * 600 + "b"]


@pytest.mark.parametrize("name", [*LONG, "x" * 240, "/".join(["x" * 199] * 4)])
def test_long_names_fit_the_file_system(tmp_path, name):
    key = f"{generation_key(name, 'g' * 64)}/{0:08d}-{'a' * 40}.rows.parquet"
    store = LocalStore(tmp_path)
    store.put(key, b"x")
    assert list(store.list()) == [key]
    assert len(key.encode()) < 1024


@pytest.mark.parametrize("name", LONG)
def test_what_is_cut_off_still_tells_names_apart(name):
    others = {name + "y", name[:-1] + "y", f"y/{name}", f"{name}/y", stream_key(name)}
    keys = {stream_key(other) for other in (name, *others)}
    assert len(keys) == 1 + len(others)
    assert all(key == stream_key(key) or "%" in key for key in keys)


def test_streams_of_long_names(tmp_path):
    storage = NamedStorage(tmp_path)
    for number, name in enumerate(LONG):
        NamedStream(storage, name).save([b"%d" % number])
    assert {found.name for found in list_streams(storage)} == set(LONG)
    for number, name in enumerate(LONG):
        assert list(NamedStream(storage, name).load()) == [b"%d" % number]
        assert gc(storage).keys == ()


@pytest.mark.parametrize("generation", ["", "a/b", "..", "a.b", "g" * 65, "é"])
def test_impossible_generations(generation):
    with pytest.raises(ArgumentError, match="impossible generation"):
        generation_key("a", generation)


def test_generations_are_told_from_streams():
    assert is_generation(f"{generation_key('a', 'g')}/")
    assert not is_generation(f"{stream_key('a/g.segments')}/")
