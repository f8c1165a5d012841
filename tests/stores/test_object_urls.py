"""URLs of objects, and keys that a file system could hold, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError
from beam_scanner.stores.object_urls import (
    check_key,
    is_object_url,
    is_possible,
    split_url,
)

PARTS = st.text(max_size=4)
KEYS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(scheme=st.sampled_from(["gs", "s3"]), key=KEYS.filter(is_possible))
def test_any_possible_key_survives(scheme: str, key: str) -> None:
    """Whatever a URL might mean by '%', '?' or '#', a key means itself."""
    assert split_url(f"{scheme}://films/{key}") == (scheme, "films", key)


@given(key=KEYS)
def test_a_key_is_possible_or_refused(key: str) -> None:
    if is_possible(key):
        check_key(key)
        assert "" not in key.split("/")
        return
    with pytest.raises(ArgumentError, match="impossible key"):
        check_key(key)


@pytest.mark.parametrize(
    "key", ["", ".", "..", "a/..", "../a", "a//b", "/a", "a/", "a/./b", "a\0"]
)
def test_keys_that_lead_elsewhere(key: str) -> None:
    assert not is_possible(key)


@pytest.mark.parametrize("key", ["a", "...", "a/...b", ".a", "a b", "%2e%2e"])
def test_keys_that_only_look_so(key: str) -> None:
    assert is_possible(key)


@pytest.mark.parametrize(
    "url", ["films/a", "gs:/films/a", "gs://", "http://films/a", "gs:// /a", "gs://a/b"]
)
def test_what_is_no_url_of_an_object(url: str) -> None:
    with pytest.raises(ArgumentError, match=r"expected a URL as in gs://bucket/key"):
        split_url(url)


def test_the_error_shows_the_whole_url() -> None:
    with pytest.raises(ArgumentError, match=r"'gs://films/a/\.\./b'"):
        split_url("gs://films/a/../b")


@pytest.mark.parametrize(
    ("path", "is_url"),
    [
        ("gs://films/a", True),
        ("s3://films", True),
        ("file:///films", False),
        ("gs", False),
        ("films/gs://a", False),
        (Path("gs://films"), False),
        (b"gs://films", False),
        (None, False),
    ],
)
def test_what_is_a_url(path: Any, is_url: bool) -> None:
    assert is_object_url(path) is is_url
