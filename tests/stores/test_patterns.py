"""Patterns mean the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.cli.inputs import find_videos
from beam_scanner.errors import ArgumentError
from beam_scanner.stores import open_store
from beam_scanner.stores.patterns import Pattern
from beam_scanner.transforms.match import absolute_pattern


@pytest.mark.parametrize("pattern", ["films", "films/**/*.mp4", "films/**"])
def test_a_folder_and_a_bucket_leave_out_the_same(
    bucket_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    files = [
        *(
            "x.mp4",
            "a/y.MP4",
            "a/.y.mp4",
            ".a/y.mp4",
            "notes.txt",
            "db/made/g.segments/0.mp4",
        ),
        *("db/made/stream.json", "db/made/preview.mp4", "db/made/in/it.mp4"),
        *("db/beam_scanner.json", "db/.work/x.mp4", "db/film.mp4"),
    ]
    store = open_store(bucket_url)
    for file in files:
        store.put(f"films/{file}", b"")
        Path(tmp_path, "films", file).parent.mkdir(parents=True, exist_ok=True)
        Path(tmp_path, "films", file).touch()
    monkeypatch.chdir(tmp_path)
    here = [name for name, _ in find_videos([pattern])]
    assert here == [name for name, _ in find_videos([f"{bucket_url}/{pattern}"])]
    assert here[-1] == "x.mp4"
    assert {"films": 3, "films/**/*.mp4": 2, "films/**": 5}[pattern] == len(here)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("films/a**", "stands for folders"),
        ("films/***", "stands for folders"),
        ("films/**a**", "stands for folders"),
        ("films/*/../x", r"'\.\.' after a wildcard"),
        ("films/*/", "ends in '/'"),
        ("a\0*", "impossible"),
    ],
)
def test_patterns_that_mean_nothing(pattern: str, message: str) -> None:
    for ask in (Pattern, absolute_pattern, lambda given: find_videos([given])):
        with pytest.raises(ArgumentError, match=message):
            ask(pattern)
        with pytest.raises(ArgumentError, match=message):
            ask(f"s3://bucket/{pattern}")
