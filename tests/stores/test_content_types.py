"""What browsers are told of objects."""

from __future__ import annotations

import pytest

from beam_scanner.stores.content_types import content_type


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("a/b.mp4", "video/mp4"),
        ("db/s/stream.json", "application/json"),
        ("x.y/part.parquet", "application/vnd.apache.parquet"),
        ("sheet.png", "image/png"),
        ("mp4", "video/mp4"),
        ("a.mp4/b", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_end_of_a_key_says_it(key: str, wanted: str) -> None:
    assert content_type(key) == wanted
