"""The command: what it takes, what it refuses, and what graphs it knows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    list_streams,
)
from tests.support.commands import IN_MEMORY, command, wrong
from tests.support.video_fixtures import frame_number, make_video, numbered_frame

# run: errors and exit codes.


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
    assert "`histogram/a.mp4`, which holds exactly this result; --cache-mode" in message
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


def test_another_chain_gets_another_name(
    video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def names() -> list[str]:
        return [stream.name for stream in list_streams(NamedStorage(db))]

    def run(chain: str, *more: str) -> int:
        return command(
            "--input", video, "--output", db, "--ops", chain, IN_MEMORY, *more
        )

    first, second = "Stride(8) | Histogram()", "Stride(4) | Histogram()"
    assert run(first) == run(second) == 0
    every = ["a.mp4", "histogram-stride-4/a.mp4", "histogram/a.mp4"]
    assert names() == every
    for chain in (first, second):
        assert run(chain) == 2
        assert "--cache-mode ignore" in capsys.readouterr().err
        assert run(chain, "--cache-mode", "ignore") == 0
        assert names() == every
    # A name that was asked for is that name, or none.
    assert run("Histogram()", "--name", "histogram/{input}") == 2
    assert run("Histogram()", "--cache-mode", "overwrite") == 0
    assert names() == every
    assert NamedStream(NamedStorage(db), "histogram/a.mp4").len() == 40


def test_many_videos_are_summed_up(
    video: str, db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "films"
    for number in range(4):
        (folder / str(number)).mkdir(parents=True)
        shutil.copy(video, folder / str(number))
    assert command("--input", folder, "--output", db, IN_MEMORY) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) < 14
    assert any(line.split()[:4] == ["shots", "of", "4", "videos"] for line in printed)
    assert any(f"{db}/shots/**/contact_sheet.png" in line for line in printed)
    assert f"{db}/histograms/**/*.parquet" in " ".join(printed)


def test_a_later_run_that_is_refused_leaves_what_was_committed(
    graphs: str, video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", video, "--output", db, IN_MEMORY, "--quiet"]
    args += ["--graph", f"{graphs}:staged"]
    assert command(*args) == 0
    storage = NamedStorage(db)
    NamedStream(storage, "mean/a.mp4").delete()
    message = wrong(capsys, *args)
    assert "`brightest/a.mp4`, which holds exactly this result; --cache" in message
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
    assert "1 task," in text
    assert command("run", *args, IN_MEMORY) == 0
    assert "2 frames needed, 13 decoded; 1 task run" in capsys.readouterr().out
