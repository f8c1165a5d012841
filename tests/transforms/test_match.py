"""Which videos patterns find, and how their streams are called."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.fileio import EmptyMatchTreatment
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from beam_scanner.errors import ArgumentError, Failure
from beam_scanner.storage.stream_names import stream_key
from beam_scanner.transforms.match import (
    MatchAllVideos,
    MatchVideos,
)
from tests.support.disk_file_system import registered

VIDEOS: list[Any] = []
FAILURES: list[Failure] = []

GENERATION = "5f0c" * 8


def keep(found: Any) -> None:
    (FAILURES if isinstance(found, Failure) else VIDEOS).append(found)


def find(
    patterns: str | Sequence[str], match: Any = MatchVideos, **options: Any
) -> tuple[dict[str, str], list[Failure]]:
    VIDEOS.clear()
    FAILURES.clear()
    flags = PipelineOptions(["--direct_running_mode=in_memory"])
    with beam.Pipeline(FnApiRunner(), flags) as pipeline:
        if match is MatchVideos:
            found = pipeline | MatchVideos(patterns, **options)
        else:
            found = pipeline | beam.Create(patterns) | MatchAllVideos(**options)
        assert found.videos.element_type == beam.typehints.Tuple[str, str]
        _ = found.videos | "V" >> beam.Map(keep)
        _ = found.failures | "F" >> beam.Map(keep)
    assert len(dict(VIDEOS)) == len(VIDEOS)
    return dict(VIDEOS), sorted(FAILURES, key=str)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for name in ("x.mp4", "a/x.mp4", "a/b/x.mp4", "b/x.mp4", "b/y.mkv"):
        file = tmp_path / "films" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path / "films"


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["*.mp4"], ["x.mp4"]),
        (["*/*.mp4"], ["a/x.mp4", "b/x.mp4"]),
        (["**.mp4"], ["a/b/x.mp4", "a/x.mp4", "b/x.mp4", "x.mp4"]),
        (["**/*.mp4"], ["a/b/x.mp4", "a/x.mp4", "b/x.mp4", "x.mp4"]),
        (["b/**"], ["x.mp4", "y.mkv"]),
        (["b/y.mkv", "x.mp4"], ["x.mp4", "y.mkv"]),
        (["[ab]/x.m?4", "b*/x.mp4"], ["a/x.mp4", "b/x.mp4"]),
    ],
)
def test_patterns(
    films: Path, patterns: list[str], wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, failures = find([f"{films}/{pattern}" for pattern in patterns])
    assert failures == []
    assert sorted(found) == wanted
    assert all(os.path.isfile(path) for path in found.values())
    monkeypatch.chdir(films)
    assert find(patterns) == (found, [])
    options = {"empty_match_treatment": EmptyMatchTreatment.DISALLOW}
    assert find(patterns, MatchAllVideos, **options) == (found, [])


def test_one_name_for_two_paths(films: Path) -> None:
    found, failures = find([f"{films}/a/*.mp4", f"{films}/b/*"])
    assert found == {"y.mkv": f"{films}/b/y.mkv"}
    (failure,) = failures
    assert failure.stream == "x.mp4"
    assert failure.reason == (
        f"'{films}/a/x.mp4' and '{films}/b/x.mp4' would both be stream 'x.mp4': match "
        "them by one pattern, or pass a name= that gives each its own"
    )


def test_names_of_ones_own(films: Path) -> None:
    found, failures = find(f"{films}/*/*", name=lambda path: path.split("/")[-2])
    assert found == {"a": f"{films}/a/x.mp4"}
    assert [failure.stream for failure in failures] == ["b"]
    bad: list[tuple[Any, str]] = [
        (lambda path: "", "expected a stream name (a string, not empty), got ''"),
        (lambda path: 3, "expected a stream name (a string, not empty), got 3"),
        (lambda path: "../" + path, "would leave the database folder"),
        (lambda path: {}[path], "KeyError: "),
    ]
    for name, reason in bad:
        found, (failure,) = find(f"{films}/a/*.mp4", name=name)
        assert found == {}
        assert f"path '{films}/a/x.mp4' makes no stream name: " in failure.reason
        assert reason in failure.reason


@pytest.mark.parametrize("treatment", ["ALLOW", "ALLOW_IF_WILDCARD", "DISALLOW"])
@pytest.mark.parametrize("file", ["*.avi", "a?/[x].mp4", "no.mp4"])
def test_patterns_that_match_nothing(films: Path, file: str, treatment: str) -> None:
    pattern = f"{films}/{file}"
    options = {"empty_match_treatment": treatment}
    is_allowed = treatment == "ALLOW" or (treatment != "DISALLOW" and file != "no.mp4")
    reason = f"no file matches {pattern!r}"
    videos, failures = find([pattern], MatchAllVideos, **options)
    assert videos == {}
    told = [(failure.stream, failure.reason, failure.kind) for failure in failures]
    assert told == ([] if is_allowed else [(pattern, reason, "input")])
    if is_allowed:
        assert find(pattern, **options) == ({}, [])
    else:
        with pytest.raises(Exception, match=re.escape(reason)):
            find(pattern, **options)


def test_what_may_match_nothing_by_default(films: Path) -> None:
    with pytest.raises(Exception, match="no file matches"):
        find(f"{films}/*.avi")
    given = [f"{films}/*.avi", f"{films}/x.mp4", f"{films}/no.mp4", "x://b/*", ""]
    found, failures = find(given, MatchAllVideos)
    assert list(found) == ["x.mp4"]
    assert sorted(failure.stream for failure in failures) == sorted(
        ["", f"{films}/no.mp4", "x://b/*"]
    )
    for match in (MatchVideos, MatchAllVideos):
        with pytest.raises(ArgumentError, match=r"must be one of .* got 'SOMETIMES'"):
            find(["*"], match, empty_match_treatment="SOMETIMES")


@pytest.mark.parametrize("patterns", [[], "", [""], [3]])
def test_what_is_no_pattern(patterns: Any) -> None:
    with pytest.raises(ArgumentError, match=r"expected .*path or pattern"):
        MatchVideos(patterns)


def test_odd_characters(tmp_path: Path) -> None:
    names = [
        "a b.mp4",
        "ü日.mp4",
        "50%.mp4",
        "#?&.mp4",
        "a:b.mp4",
        "'\"\n.mp4",
    ]
    for name in (*names, ".x.mp4"):
        (tmp_path / name).touch()
    found, failures = find(f"{tmp_path}/*.mp4")
    assert failures == []
    assert found == {name: f"{tmp_path}/{name}" for name in names}
    assert len({stream_key(name) for name in found}) == len(names)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "good.mp4").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.mp4")).touch()
    found, (failure,) = find(f"{tmp_path}/*.mp4")
    assert list(found) == ["good.mp4"]
    assert failure.stream == "bad\\udcff.mp4"
    assert "it holds bytes that are not text" in failure.reason


def test_a_file_that_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a [x].mp4").touch()
    path = f"{tmp_path}/a [x].mp4"
    assert find(path) == ({"a [x].mp4": path}, [])


def test_a_database_among_the_videos(films: Path) -> None:
    part = films / "db" / "small" / f"{GENERATION}.segments" / "00000000-x.mp4"
    part.parent.mkdir(parents=True)
    part.touch()
    assert part.name not in str(find(f"{films}/**.mp4")[0])
    assert list(find(f"{part.parent}/*.mp4")[0]) == [part.name]


def test_folders(films: Path) -> None:
    found, failures = find(f"{films}/**.m*", folders=True)
    assert failures == []
    assert found == {
        "films": str(films),
        "a": f"{films}/a",
        "a/b": f"{films}/a/b",
        "b": f"{films}/b",
    }
    assert find(f"{films}/b/*", folders=True)[0] == {"b": f"{films}/b"}


def test_other_file_systems(tmp_path: Path) -> None:
    """Beam's file systems list what lies there; what matches is the same everywhere."""
    for name in (
        "films/x.mp4",
        "films/a/x.mp4",
        "films/a/.y.mp4",
        f"films/a/{GENERATION}.segments/z.mp4",
        "films/a/n.txt",
        "[x]",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"1")
    with registered("other", str(tmp_path)):
        found, _ = find("other://films/**/*.mp4")
        assert found == {n: f"other://films/{n}" for n in ("x.mp4", "a/x.mp4")}
        assert find("other://[x]")[0] == {"[x]": "other://[x]"}


def test_schemes_that_nobody_knows() -> None:
    with pytest.raises(ArgumentError, match="registered with Beam for 'nosuch://'"):
        find("nosuch://bucket/*.mp4")
