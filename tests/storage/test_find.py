"""Which files a pattern finds: the same wherever they lie, and whoever asks."""

from __future__ import annotations

import itertools
import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from beam_scanner.cli.inputs import find_videos
from beam_scanner.errors import ArgumentError, StorageError, VideoError
from beam_scanner.storage import (
    AudioStream,
    CaptionStream,
    FilesStream,
    NamedStorage,
    NamedVideoStream,
    PackedFileStream,
)
from beam_scanner.storage.find import find_files
from beam_scanner.stores import open_store
from beam_scanner.stores.patterns import Pattern, has_wildcard, matching_names
from beam_scanner.transforms.match import absolute_pattern
from tests.support.object_servers import match_objects

FOLDERS = ["a", "b", "ab", ".a", "[a]", "é", "A", "a b", "*"]


FILES = ["x.mp4", "y.mkv", ".x.mp4", "[x].mp4", "a?.mp4", "{x}.mp4", "-x.mp4", "x"]


PATHS = st.builds(
    lambda folders, file: "/".join([*folders, file]),
    st.lists(st.sampled_from(FOLDERS), max_size=3),
    st.sampled_from(FILES),
)


TREES = st.lists(PATHS, min_size=1, max_size=7, unique=True)


PARTS = [
    *("*", "**", "a*", "?", "??", "[ab]", "[!a]*", "[]a]", "[z-a]", ".*", "*.mp4"),
    *("x.mp4", "[[]*", "[*]", "{x,y}.mp4", "{x}*", "*[.]mp4", "a[", "**.mp4", "?.m*4"),
    *("a", "b", "A", "-*", "[!!]*", "*é", "e\u0301"),
]


PATTERNS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join)


# What the rules say, in another way: every path is tried, letter by letter.


def text_matches(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == "*":
        return any(text_matches(rest, text[n:]) for n in range(len(text) + 1))
    if not text:
        return False
    if first == "[":
        at = 2 if rest.startswith("!") else 1
        end = pattern.find("]", at + 1)
        if end > 0:
            inside, letters = pattern[at:end], set()
            for place, letter in enumerate(inside):
                if letter == "-" and 0 < place < len(inside) - 1:
                    span = range(ord(inside[place - 1]), ord(inside[place + 1]) + 1)
                    letters |= {chr(code) for code in span}
                    if not span:
                        letters -= {inside[place - 1], inside[place + 1]}
            ends = {
                n for n, c in enumerate(inside) if 0 < n < len(inside) - 1 and c == "-"
            }
            used = {m for n in ends for m in (n - 1, n, n + 1)}
            letters |= {c for n, c in enumerate(inside) if n not in used}
            hit = text[0] in letters
            return hit is (at == 1) and text_matches(pattern[end + 1 :], text[1:])
    return first in ("?", text[0]) and text_matches(rest, text[1:])


def path_matches(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        if not rest:
            return path_matches(["**", "*"], path)
        crosses = bool(path) and not path[0].startswith(".")
        return path_matches(rest, path) or (crosses and path_matches(pattern, path[1:]))
    if first.startswith("**"):
        return path_matches(["**", first[1:], *rest], path)
    if not path or (path[0].startswith(".") and not first.startswith(".")):
        return False
    return text_matches(first, path[0]) and path_matches(rest, path[1:])


def wanted(pattern: str, tree: list[str]) -> list[str]:
    """Paths of a tree that a pattern means."""
    if pattern in tree:
        return [pattern]
    parts = pattern.split("/")
    return sorted(path for path in tree if path_matches(parts, path.split("/")))


def possible(tree: list[str]) -> list[str]:
    """Leaves out files where folders are to be."""
    return [p for p in tree if not any(q.startswith(f"{p}/") for q in tree)]


def found(given: str, root: str) -> list[str]:
    return [path.removeprefix(root) for _, path in find_files(given, "take").files]


@given(TREES, PATTERNS)
@example(["x.mp4", "a/y.mp4"], "**/*.mp4")
@example(["x.mp4", "a/y.mp4"], "**.mp4")
@settings(max_examples=200)
def test_a_folder_gives_what_the_rules_say(tree: list[str], pattern: str) -> None:
    tree = possible(tree)
    with tempfile.TemporaryDirectory(prefix="films [1] ") as folder:
        for path in tree:
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).touch()
        if any(os.path.isdir(f"{folder}/{path}") for path in Pattern(pattern).paths):
            return
        expected = wanted(pattern, tree)
        quoted = folder.replace("[", "[[]")
        assert found(f"{quoted}/{pattern}", f"{folder}/") == expected
        here = os.getcwd()
        try:
            os.chdir(folder)
            assert found(pattern, "") == expected
            # A stream is called by the path below the literal part.
            below = len(Pattern(pattern).root)
            names = [name for name, _ in find_files(pattern, "take").files]
            assert pattern in tree or names == [path[below:] for path in expected]
            given = absolute_pattern(pattern)
            assert [p for _, p in find_files(given, "take").files] == [
                f"{folder}/{path}" for path in expected
            ]
        finally:
            os.chdir(here)
    assert matching_names(pattern, tree) == expected


_numbers = itertools.count()


@given(tree=TREES, patterns=st.lists(PATTERNS, min_size=4, max_size=4))
@example(tree=["A/x.mp4"], patterns=["A"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_a_bucket_gives_what_the_rules_say(
    bucket_url: str, tree: list[str], patterns: list[str]
) -> None:
    tree, root = possible(tree), f"{bucket_url}/{next(_numbers)}/"
    store = open_store(root)
    for path in tree:
        store.put(path, b"")
    for pattern in patterns:
        expected = wanted(pattern, tree)
        assert found(root + pattern, root) == expected, pattern
        # The path of a folder means what is below it.
        if not any(path.startswith(f"{pattern}/") for path in tree):
            assert [p for _, p in find_files(root + pattern, "search").files] == [
                root + path for path in expected
            ]
        if has_wildcard(pattern) and pattern not in tree:
            listed = match_objects(root + pattern)
            assert listed == [root + path for path in expected], pattern


# What is no plain file.


def special_files(folder: Path) -> list[str]:
    os.mkfifo(folder / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket.mp4"))
    os.symlink(os.devnull, folder / "device.mp4")
    return ["pipe.mp4", "socket.mp4", "device.mp4"]


def test_special_files_are_no_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = special_files(tmp_path)
    (tmp_path / "x.mp4").touch()
    for pattern in ("*.mp4", ".", "**/*.mp4", "**.mp4"):
        assert [name for name, _ in find_videos([pattern])] == ["x.mp4"]
    for name in names:
        with pytest.raises(
            ArgumentError, match=r"is a (named pipe|socket|device), not"
        ):
            find_videos([name])


def test_special_files_are_not_waited_for(tmp_path: Path) -> None:
    storage = NamedStorage(tmp_path / "db")
    for name in special_files(tmp_path):
        path = str(tmp_path / name)
        video = NamedVideoStream(storage, "a", path=path)
        for ask in (video.len, video.ingest, AudioStream(path, 1).len):
            with pytest.raises(VideoError, match=r"is a (named pipe|socket|device)"):
                ask()
        others = FilesStream([path]), PackedFileStream(path), CaptionStream(path, 1, 2)
        for stream in others:
            assert not stream.committed()
            with pytest.raises(StorageError, match=r"is a (named pipe|socket|device)"):
                stream.fingerprint()
    folder = tmp_path / "db" / "made"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "stream.json")
    with pytest.raises(StorageError, match="is a named pipe"):
        NamedVideoStream(storage, "made").committed()


def test_symlinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("f/x.mp4", "f/a/b/y.mp4", "disk/o.mp4", "f/.h/h.mp4", "disk/n.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    links = {
        "f/self": ".",
        "f/up": "..",
        "f/a/b/loop": "../../a",
        "f/again": "a",
        "f/disk1": "../disk",
        "f/disk2": "../disk",
        "f/seen": ".h",
        "f/file.mp4": "x.mp4",
        "f/gone.mp4": "nowhere",
        "f/me.mp4": "me.mp4",
    }
    for name, target in links.items():
        os.symlink(target, name)
    files = ["file.mp4", "gone.mp4", "me.mp4", "x.mp4"]
    # Each folder is searched once, and called by its own path if it has one.
    everything = sorted([*files, "a/b/y.mp4", "disk1/o.mp4", "seen/h.mp4"])
    for pattern in ("f", "f/**/*.mp4", "f/**.mp4"):
        names = [name for name, _ in find_videos([pattern])]
        assert names == everything
    assert found("f/*.mp4", "f/") == files
    # Where '**' is not asked for, each path is one of its own.
    assert found("f/*/o.mp4", "f/") == ["disk1/o.mp4", "disk2/o.mp4"]
    assert found("f/again/**", "f/again/") == ["b/y.mp4"]


def test_folders_that_may_not_be_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("f/x.mp4", "f/closed/y.mp4", "f/open/z.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    real = os.scandir

    def scandir(path: str) -> object:
        if path.rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = find_files("f/**/*.mp4", "search")
    assert [name for name, _ in result.files] == ["open/z.mp4", "x.mp4"]
    (failure,) = result.failures
    assert str(failure) == (
        "stream 'closed': folder 'f/closed/' cannot be searched: Permission denied"
    )
    with pytest.raises(ArgumentError, match="cannot be searched"):
        find_videos(["f/closed"])
    failures: list[object] = []
    assert len(find_videos(["f/**/*.mp4"], failures)) == 2  # type: ignore[arg-type]
    assert failures == [failure]
    # Nobody needs to look there.
    assert find_files("f/open/*.mp4", "search").failures == []


def test_a_folder_that_is_only_called_like_ours(tmp_path: Path) -> None:
    for name in ("shots.segments/a.mp4", f"{'5f0c' * 8}.segments/b.mp4"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(b"x")
    found = find_files(f"{tmp_path}/**/*.mp4", "search")
    assert [name for name, _ in found.files] == ["shots.segments/a.mp4"]
