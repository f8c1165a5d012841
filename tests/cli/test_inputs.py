"""Which videos `--input` names, and what their streams are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner import FrameType
from beam_scanner.cli.inputs import find_videos
from beam_scanner.errors import ArgumentError
from beam_scanner.storage import NamedStorage, NamedVideoStream
from tests.support.commands import put
from tests.support.video_fixtures import numbered_frame

# What --input finds.


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_streams_are_named_below_the_literal_part(tmp_path: Path) -> None:
    touch(tmp_path, "f/a/x.mp4", "f/b/x.mp4", "f/b/c/y.mkv", "f/b/notes.txt")
    f = str(tmp_path / "f")
    assert [n for n, _ in find_videos([f"{f}/*/x.mp4"])] == ["a/x.mp4", "b/x.mp4"]
    assert [n for n, _ in find_videos([f"{f}/b/*.mp4"])] == ["x.mp4"]
    assert [n for n, _ in find_videos([f"{f}/b/**/*.m*"])] == ["c/y.mkv", "x.mp4"]
    assert [n for n, _ in find_videos([f])] == ["a/x.mp4", "b/c/y.mkv", "b/x.mp4"]
    assert find_videos([f"{f}/a/x.mp4"]) == [("x.mp4", f"{f}/a/x.mp4")]
    twice = find_videos([f"{f}/a/x.mp4", f"{f}/a/*.mp4"])
    assert twice == [("x.mp4", f"{f}/a/x.mp4")]


def test_relative_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "x.mp4", "a/y.mp4")
    monkeypatch.chdir(tmp_path)
    assert find_videos(["*.mp4"]) == [("x.mp4", "x.mp4")]
    assert [n for n, _ in find_videos(["."])] == ["a/y.mp4", "x.mp4"]
    assert [n for n, _ in find_videos(["**/*.mp4"])] == ["a/y.mp4", "x.mp4"]


def test_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "film [1].mp4")
    path = str(tmp_path / "film [1].mp4")
    assert find_videos([path]) == [("film [1].mp4", path)]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("no.mp4", "there is no file"),
        ("*.avi", "no file matches"),
        ("empty", "no video below the folder"),
    ],
)
def test_inputs_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, message: str
) -> None:
    touch(tmp_path, "empty/notes.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=message):
        find_videos([pattern])


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.mp4", "b/x.mp4")
    with pytest.raises(ArgumentError, match=r"both be stream 'x\.mp4'"):
        find_videos([str(tmp_path / "a/x.mp4"), str(tmp_path / "b/x.mp4")])


def test_streams_of_a_database_are_no_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    storage = NamedStorage(str(tmp_path))
    NamedVideoStream(storage, "made").save(
        [numbered_frame(i) for i in range(3)], ty=FrameType
    )
    assert list(tmp_path.rglob("made/*/*.mp4"))
    assert [name for name, _ in find_videos([str(tmp_path)])] == ["a.mp4"]
    found = find_videos([str(tmp_path / "**" / "*.mp4")])
    assert [name for name, _ in found] == ["a.mp4"]


def test_patterns_of_objects_name_streams_as_those_of_files_do(bucket: str) -> None:
    put(bucket, "films/a/x.mp4", "films/a/y.mp4", "films/b/x.mp4", "films/b/x.txt")
    found = find_videos([f"{bucket}/films/*/x.mp4"])
    assert found == [
        ("a/x.mp4", f"{bucket}/films/a/x.mp4"),
        ("b/x.mp4", f"{bucket}/films/b/x.mp4"),
    ]
    assert [name for name, _ in find_videos([f"{bucket}/films/**/*.mp4"])] == [
        *("a/x.mp4", "a/y.mp4", "b/x.mp4")
    ]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_of_objects_gives_its_videos(bucket: str, slash: str) -> None:
    put(bucket, "films/a/x.MP4", "films/b.mkv", "films/notes.txt", "films2/c.mp4")
    names = [name for name, _ in find_videos([f"{bucket}/films{slash}"])]
    assert names == ["a/x.MP4", "b.mkv"]


def test_one_object_is_called_by_its_last_part(bucket: str) -> None:
    put(bucket, "films/a b/[1].mp4", "films/odd")
    given = [f"{bucket}/films/odd"]
    assert find_videos(given) == [("odd", f"{bucket}/films/odd")]


def test_a_database_may_be_among_the_objects(bucket: str) -> None:
    put(bucket, "films/a.mp4", "films/db/previews/a/stream.json")
    put(bucket, "films/db/previews/a/preview.mp4")
    put(bucket, "films/db/x/0123456789abcdef0123456789abcdef.segments/0.mp4")
    assert [name for name, _ in find_videos([f"{bucket}/films/**.mp4"])] == ["a.mp4"]
    assert [name for name, _ in find_videos([f"{bucket}/films"])] == ["a.mp4"]


def test_objects_that_are_not_there(bucket: str) -> None:
    put(bucket, "films/notes.txt")
    for pattern in ("films/*.mp4", "films/x.mp4", "films"):
        with pytest.raises(ArgumentError, match=rf"--input: .*'{bucket}/"):
            find_videos([f"{bucket}/{pattern}"])


def test_two_objects_of_one_name(bucket: str) -> None:
    put(bucket, "a/x.mp4", "b/x.mp4")
    assert len(find_videos([f"{bucket}/a/x.mp4", f"{bucket}/a/*"])) == 1
    with pytest.raises(ArgumentError, match=r"would both be stream 'x\.mp4'"):
        find_videos([f"{bucket}/a/x.mp4", f"{bucket}/b/x.mp4"])
