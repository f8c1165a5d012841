"""What monitoring shows of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from apache_beam.transforms.display import DisplayData

from beam_scanner.text.shown_values import MOST, shown_value
from beam_scanner.transforms import ReadFromVideo, Resize


class Unshown:
    def __repr__(self) -> str:
        raise ValueError("not yet")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://me:pass@host:5/db", "postgresql://...@host:5/db"),
        ("https://host/a.mp4?X-Amz-Signature=af&part=1", None),
        ("dbname=films password=pass user=me", "dbname=films password=... user=me"),
        ({"url": "s3://key:pass@host/x", "by": 2}, "url='s3://...@host/x', by=2"),
        ("gs://bucket/a@b.mp4", "gs://bucket/a@b.mp4"),
        ("keyframe=3", "keyframe=3"),
        (Unshown(), "a Unshown"),
        ({"by": Unshown()}, "by=a Unshown"),
    ],
)
def test_no_secrets_and_no_errors(value: Any, shown: str | None) -> None:
    found = shown_value(value)
    assert found == (shown or "https://host/a.mp4?X-Amz-Signature=...&part=1")


def test_values_are_one_line() -> None:
    assert "\n" not in shown_value("two\nlines")


def test_values_are_short() -> None:
    assert len(shown_value({"weights": np.arange(10**6), "text": "x" * 5000})) == MOST


def test_transforms_show_them() -> None:
    read = ReadFromVideo("films/*.mp4")
    (item,) = DisplayData.create_from(read).items
    assert item.key == "pattern"
    assert item.value.endswith("films/*.mp4")
    resize = Resize(width=3, height=4)
    shown = {item.key: item.value for item in DisplayData.create_from(resize).items}
    assert shown["arguments"] == "width=3, height=4"
