"""Graphs that the command finds, and the names of their outputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.cli.graphs import find_graph, load_module, output_name
from beam_scanner.errors import ArgumentError
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from tests.support.commands import IN_MEMORY, command, wrong
from tests.support.video_fixtures import frame_number, make_video, numbered_frame

# Names.


@pytest.mark.parametrize("template", ["{nope}", "{", "{input.x}", "{0}", "{input!z}"])
def test_templates_that_cannot_be_filled_in(template: str) -> None:
    with pytest.raises(ArgumentError, match="--name"):
        output_name(template, "out", "a.mp4")


# Graphs.


def test_a_built_in_graph_is_a_function() -> None:
    assert find_graph("shots").__name__ == "shots"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "is not built in"),
        ("nope:", "is not built in"),
        ("no_such_module_x:f", "there is no module 'no_such_module_x'"),
        ("no_such_file.py:f", "there is no file"),
        ("os:no_such_function", "has no function"),
        ("{graphs}:not_a_function", "has no function"),
        ("{folder}/syntax.py:f", "SyntaxError"),
        ("{folder}/raises.py:f", "KeyError: 5"),
        ("{folder}/imports.py:f", "cannot be imported: No module named"),
    ],
)
def test_graphs_that_are_not_there(
    graphs: str, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "raises.py").write_text("{}[5]\n")
    (tmp_path / "imports.py").write_text("import no_such_module_y\n")
    with pytest.raises(ArgumentError) as caught:
        find_graph(text.format(graphs=graphs, folder=tmp_path))
    assert message in str(caught.value)
    assert str(caught.value).startswith("--graph: ")


def test_a_file_whose_name_is_taken_by_another_module(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("mine = 1\n")
    module = load_module(str(tmp_path / "json.py"))
    assert module.mine == 1
    assert load_module(str(tmp_path / "json.py")) is module
    assert not hasattr(sys.modules["json"], "mine")


def test_graph_of_a_file(graphs: str, video: str, db: str) -> None:
    args = ["--input", video, "--output", db, IN_MEMORY]
    assert command(*args, "--graph", f"{graphs}:mean") == 0
    found = list(NamedStream(NamedStorage(db), "clibrightness/a.mp4").load())
    expected = [numbered_frame(i).mean() for i in range(40)]
    np.testing.assert_allclose(found, expected, atol=8)


def test_graph_of_a_module_with_two_outputs_of_two_videos(
    graphs: str,
    video: str,
    db: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(video).parent
    make_video(folder / "b.mp4", frames=25, first_number=100)
    monkeypatch.syspath_prepend(os.path.dirname(graphs))
    args = ["--input", folder / "*.mp4", "--output", db, IN_MEMORY]
    args += ["--graph", "cli_graphs:two", "--name", "out/{stem}.{output}"]
    assert command(*args) == 0
    storage = NamedStorage(db)
    frames = list(NamedVideoStream(storage, "out/b.frames").load())
    assert [frame_number(frame) for frame in frames] == [100, 110, 120]
    assert NamedStream(storage, "out/a.mean").len() == 4
    printed = capsys.readouterr().out
    assert "4 streams in" in printed
    assert "out/b.mean" in printed
    assert "7 frames needed" in printed


def test_a_graph_of_several_runs(
    graphs: str, video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", video, "--output", db, IN_MEMORY]
    assert command(*args, "--graph", f"{graphs}:staged") == 0
    storage = NamedStorage(db)
    means = list(NamedStream(storage, "mean/a.mp4").load())
    brightest = list(NamedVideoStream(storage, "brightest/a.mp4").load())
    assert [frame_number(f) for f in brightest] == [means.index(max(means))]
    assert NamedStream(storage, "rows/a.mp4").committed()
    assert "  a file\n" in capsys.readouterr().out


def test_the_graph_of_several_runs_can_be_explained(
    graphs: str, video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", video, "--output", db, "--graph", f"{graphs}:staged"]
    assert command("explain", *args) == 0
    assert "frames needed 40, to decode 40" in capsys.readouterr().out
    assert not NamedStream(NamedStorage(db), "mean/a.mp4").committed()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("broken", "the graph raised KeyError: 'no such key'"),
        ("nothing", "must return a column"),
        ("other_streams", "must be made of these"),
    ],
)
def test_graphs_that_are_wrong(
    graphs: str,
    video: str,
    db: str,
    capsys: pytest.CaptureFixture[str],
    function: str,
    message: str,
) -> None:
    NamedStream(NamedStorage(db), "not made of a video").save([b"x"])
    args = ["--input", video, "--output", db, "--graph", f"{graphs}:{function}"]
    assert message in wrong(capsys, *args)
