"""The store that a URL names."""

import os
from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.storage import LocalStore, open_store


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("/data/db", "/data/db"),
        ("file:///data/db", "/data/db"),
        ("file://localhost/data/a%20b", "/data/a b"),
        ("~/db", os.path.expanduser("~/db")),
        (Path("/data/db"), "/data/db"),
    ],
)
def test_open_store(url, root):
    assert open_store(url) == LocalStore(root)


@pytest.mark.parametrize("url", ["", "file://host/db", "http://b/db", "gs://", 7, None])
def test_open_store_refuses(url):
    with pytest.raises(ArgumentError, match=r"expected a (folder|URL)"):
        open_store(url)
