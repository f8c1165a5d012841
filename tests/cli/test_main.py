"""The command: what it takes, what it refuses, and what graphs it knows."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner.cli.graphs import find_graph, load_module
from beam_scanner.errors import ArgumentError
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from tests.support.commands import IN_MEMORY, command, wrong
from tests.support.video_fixtures import frame_number, make_video, numbered_frame

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


# run: errors and exit codes.


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--input and --output must be given"),
        (["--input", "{video}"], "--output must be given"),
        (["--input", "{video}", "--outptu", "db"], "did you mean --output?"),
        (["--input", "{video}", "--output", "{db}", "--nope"], "no option '--nope'"),
        (["jump"], "there is no command 'jump'"),
        (["--input", "no.mp4", "--output", "{db}"], "there is no file 'no.mp4'"),
        (["--input", "{text}", "--output", "{db}"], "notes.txt"),
        (["--input", "{empty}", "--output", "{db}"], "empty.mp4"),
        (["--input", "{video}", "--output", "{text}", "--ops", "All()"], "notes.txt"),
        (["--input", "{video}", "--output", "{text}"], "is a file, expected a folder"),
        (["--input", "{video}", "--output", "{db}", "--ops", "Nope()"], "Op Nope"),
        (
            ["--input", "{video}", "--output", "{db}", "--ops", "Stride(0)"],
            "at least 1",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--ops", "Gather([40])"],
            "row 40 is out of range",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--ops", "A()", "--graph", "b"],
            "not allowed with",
        ),
        (["--input", "{video}", "--output", "{db}", "--cache-mode", "x"], "invalid"),
        (
            ["--input", "{video}", "--output", "{db}", "--io-packet-size", "0"],
            "above 0",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--direct_num_workers=x"],
            "Beam's flags",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--runner", "Nope"],
            "--runner=Nope",
        ),
        (["--input", "{video}", "--output", "{db}", "--load", "no.py"], "--load: "),
        (
            [
                "--input",
                "{video}",
                "--output",
                "{db}",
                "--ops",
                "All()",
                "--name",
                "x{",
            ],
            "--name",
        ),
        (
            [
                *("--input", "{video}", "--output", "{db}", "--ops", "All()"),
                *("--name", "{input}"),
            ],
            "an output and an input the name 'a.mp4'",
        ),
        (
            [
                *("--input", "{video}", "--output", "{db}", "--ops", "All()"),
                *("--work-packet-size", "3", "--io-packet-size", "10"),
            ],
            "multiple",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    video: str,
    db: str,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    message: str,
) -> None:
    text, empty = tmp_path / "notes.txt", tmp_path / "empty.mp4"
    text.write_text("no video")
    empty.touch()
    filled = [a.replace("{video}", video).replace("{db}", db) for a in args]
    filled = [a.replace("{text}", str(text)) for a in filled]
    filled = [a.replace("{empty}", str(empty)) for a in filled]
    assert message in wrong(capsys, *filled)


def test_outputs_of_one_name_are_refused(
    video: str, db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(tmp_path / "b.mp4", frames=5)
    args = ["--input", tmp_path, "--output", db, "--ops", "All()", "--name", "same"]
    assert "2 outputs the name 'same'" in wrong(capsys, *args)


def test_a_video_that_cannot_be_read_fails_alone(
    video: str, db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    args = ["--input", tmp_path, "--output", db, "--ops", "Histogram()", IN_MEMORY]
    assert command(*args) == 1
    printed = capsys.readouterr()
    assert "1 of 2 streams failed, 1 is committed:" in printed.err
    assert "bad.mp4" in printed.err
    assert NamedStream(NamedStorage(db), "histogram/a.mp4").len() == 40
    # And once more, now that the good one is there.
    assert command(*args, "--cache-mode", "ignore") == 1
    assert "nothing to do" in capsys.readouterr().out


def test_a_kernel_that_raises_fails_its_stream_alone(
    graphs: str, video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(video).parent
    make_video(folder / "light.mp4", frames=2, first_number=65530)
    limit = (numbered_frame(65530).mean() + numbered_frame(0).mean()) / 2
    helper = Path(graphs).parent / "helper_beside_graphs.py"
    helper.write_text(f"FAIL_ABOVE = {limit}\n")
    args = ["--input", folder, "--output", db, IN_MEMORY]
    assert command(*args, "--graph", f"{graphs}:staged") == 1
    printed = capsys.readouterr()
    assert "1 of 2 streams failed, 1 is committed:" in printed.err
    assert "ValueError: too bright" in printed.err
    assert "Traceback" in printed.err
    assert "finished task" not in printed.err
    storage = NamedStorage(db)
    assert NamedVideoStream(storage, "brightest/a.mp4").committed()
    assert not NamedVideoStream(storage, "brightest/light.mp4").committed()


def test_a_file_that_changed_is_taken_with_reindex(
    video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", video, "--output", db, "--ops", "Histogram()", IN_MEMORY]
    assert command(*args) == 0
    make_video(video, frames=20, first_number=7)
    message = wrong(capsys, *args, "--cache-mode", "overwrite")
    assert "has changed" in message
    assert "--reindex" in message
    assert command(*args, "--cache-mode", "overwrite", "--reindex") == 0
    assert NamedStream(NamedStorage(db), "histogram/a.mp4").len() == 20


def test_reindex_of_a_file_that_cannot_be_read_now(
    video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(video).parent / "films"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        make_video(folder / name, frames=30)
    args = ["--input", folder, "--output", db, "--ops", "Histogram()", IN_MEMORY]
    assert command(*args) == 0
    (folder / "b.mp4").unlink()
    (folder / "b.mp4").symlink_to("b.mp4")  # opening it is an OSError of its own
    make_video(folder / "c.mp4", frames=20)
    capsys.readouterr()
    assert command(*args, "--cache-mode", "overwrite", "--reindex") == 1
    printed = capsys.readouterr().err
    assert "1 of 3 streams failed, 2 are committed:" in printed
    assert "b.mp4" in printed
    assert "cannot be opened" in printed
    storage = NamedStorage(db)
    assert NamedStream(storage, "histogram/a.mp4").len() == 30
    assert NamedStream(storage, "histogram/c.mp4").len() == 20
    # What is known of it is kept.
    assert NamedStream(storage, "b.mp4").len() == 30


def test_cache_modes(video: str, db: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--input", video, "--output", db, IN_MEMORY, "--ops"]
    assert command(*args, "Stride(4) | Histogram()") == 0
    stream = NamedStream(NamedStorage(db), "histogram/a.mp4")
    first = stream.files()
    message = wrong(capsys, *args, "Stride(4) | Histogram()")
    assert "`histogram/a.mp4`; --cache-mode ignore" in message
    assert "sc.run" not in message
    same = [*args, "Stride(4) | Histogram()", "--cache-mode", "ignore"]
    assert command(*same) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert stream.files() == first
    # Another graph is another result.
    assert command(*args, "Stride(5) | Histogram()", "--cache-mode", "ignore") == 0
    assert stream.len() == 8
    assert command(*args, "Stride(4) | Histogram()", "--cache-mode", "overwrite") == 0
    assert stream.len() == 10


def test_a_later_run_that_is_refused_leaves_what_was_committed(
    graphs: str, video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", video, "--output", db, IN_MEMORY, "--quiet"]
    args += ["--graph", f"{graphs}:staged"]
    assert command(*args) == 0
    storage = NamedStorage(db)
    NamedStream(storage, "mean/a.mp4").delete()
    message = wrong(capsys, *args)
    assert "`brightest/a.mp4`; --cache-mode ignore" in message
    assert NamedStream(storage, "mean/a.mp4").len() == 40
    assert command(*args, "--cache-mode", "ignore") == 0


def test_quiet_says_nothing(
    video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", video, "--output", db, "--ops", "Histogram()", "--quiet"]
    assert command("run", *args, IN_MEMORY) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


@pytest.mark.parametrize("sizes", [("4", None), (None, "10"), ("2", "10")])
def test_packet_sizes_change_no_result(
    video: str, db: str, sizes: tuple[str | None, str | None]
) -> None:
    args = ["--input", video, "--output", db, IN_MEMORY]
    args += ["--ops", "Gather([9, 3, 3, 30]) | lossless()"]
    for flag, size in zip(
        ("--work-packet-size", "--io-packet-size"), sizes, strict=True
    ):
        args += [flag, size] if size else []
    assert command(*args) == 0
    frames = NamedVideoStream(NamedStorage(db), "frames/a.mp4").load()
    assert [frame_number(frame) for frame in frames] == [9, 3, 3, 30]


def test_ops_of_a_loaded_module(graphs: str, video: str, db: str) -> None:
    args = ["--input", video, "--output", db, IN_MEMORY, "--load", graphs]
    assert command(*args, "--ops", "Stride(8) | CliBrightness()") == 0
    assert NamedStream(NamedStorage(db), "clibrightness/a.mp4").len() == 5


def test_explain_predicts_what_a_run_counts(
    video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", video, "--output", db, "--ops", "Gather([5, 30]) | Histogram()"]
    assert command("explain", *args) == 0
    text = capsys.readouterr().out
    assert "frames needed 2, to decode 13" in text
    assert "1 task(s)" in text
    assert command("run", *args, IN_MEMORY) == 0
    assert "2 frames needed, 13 decoded; 1 task run" in capsys.readouterr().out


# The built-in graph.


def scenes(path: Path, lengths: list[int], size: tuple[int, int]) -> str:
    """A video whose shots have one color each."""
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 220)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb24"
        stream.options = {"crf": "0", "preset": "ultrafast"}
        for shot, length in enumerate(lengths):
            for row in range(length):
                picture = np.full((size[1], size[0], 3), colors[shot % 4], np.uint8)
                picture[: row % size[1]] //= 2
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize(
    ("lengths", "size"),
    [([20, 30, 15], (64, 48)), ([7], (35, 91)), ([1], (64, 48))],
)
def test_shots(tmp_path: Path, db: str, lengths: list[int], size: Any) -> None:
    path = scenes(tmp_path / "film.mp4", lengths, size)
    assert command("--input", path, "--output", db, IN_MEMORY) == 0
    storage = NamedStorage(db)
    ends = np.cumsum(lengths)
    found = [value.tolist() for value in NamedStream(storage, "shots/film.mp4").load()]
    assert found == [[int(e - n), int(e)] for n, e in zip(lengths, ends, strict=True)]
    thumbnails = list(NamedStream(storage, "thumbnails/film.mp4").load())
    assert [t.shape for t in thumbnails] == [(size[1], size[0], 3)] * len(lengths)
    folder = Path(db) / "shots" / "film.mp4"
    with av.open(str(folder / "contact_sheet.png")) as container:
        sheet = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert sheet.shape[0] > size[1]
    with av.open(str(folder / "preview.mp4")) as container:
        assert len(list(container.decode(video=0))) == sum(lengths)
    with open(folder / "shots.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["first_row"]) for row in rows] == [f[0] for f in found]
    assert float(rows[-1]["end_seconds"]) == pytest.approx(
        (sum(lengths) - (len(lengths) == 1 and lengths[0] == 1)) / 25, abs=0.002
    )
