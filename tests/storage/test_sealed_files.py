"""Small files that say when they are not what was written."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import StorageError
from beam_scanner.storage.sealed_files import seal, seal_bytes, unseal, unseal_bytes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(), JSON, min_size=1), st.sampled_from([None, 1]))
def test_sealed_text(values, indent):
    data = seal(values, indent)
    assert unseal(data) == values
    assert {**json.loads(data), "checksum": ""} == {**values, "checksum": ""}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_text(data):
    values = {"name": "a", "rows": 12, "checksum_of": [1, 2]}
    good = seal(values, data.draw(st.sampled_from([None, 1])))
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    if bytes(bad) == good:
        return
    with suppress(StorageError):
        assert unseal(bytes(bad)) == values  # as after a change of white space
    with pytest.raises(StorageError):
        unseal_bytes(bytes(bad))


def test_every_bit_of_a_sealed_file():
    for good, read in (
        (seal({"rows": 3, "name": "a"}), unseal),
        (seal_bytes(b"abc"), unseal_bytes),
    ):
        value = read(good)
        for bit in range(8 * len(good)):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            try:
                assert read(bytes(bad)) == value
            except StorageError:
                continue
        for size in range(len(good)):
            with pytest.raises(StorageError):
                read(good[:size])
