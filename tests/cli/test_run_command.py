"""The command with buckets, and with runs that nobody waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.cli.main import main
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.scannerpy.client import Client
from beam_scanner.storage import NamedStorage, NamedStream
from tests.support.commands import put
from tests.support.video_fixtures import make_video

IN_MEMORY = "--direct_running_mode=in_memory"
DATAFLOW = "--runner=DataflowRunner"
SETTINGS = [
    "--project=my-project",
    "--region=us-central1",
    "--temp_location=gs://bucket/tmp",
    "--sdk_container_image=repo/image:1",
]


@pytest.fixture
def film(tmp_path: Path) -> str:
    return str(make_video(tmp_path / "film.mp4", frames=8))


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "db")


@pytest.mark.slow
def test_a_run_from_bucket_to_bucket(
    bucket: str, film: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(bucket, "films/film.mp4", data=Path(film).read_bytes())
    args = ["--input", f"{bucket}/films/*.mp4", "--output", f"{bucket}/db", IN_MEMORY]
    assert main([*args, "--ops", "Stride(2) | Histogram()"]) == 0
    assert NamedStream(NamedStorage(f"{bucket}/db"), "histogram/film.mp4").len() == 4
    told = capsys.readouterr()
    assert "4 rows" in told.out
    assert f"  {bucket}/db/histogram/film.mp4/" in told.out
    assert "  0 B" not in told.out
    assert "indexing 1 video" in told.err
    assert main(["ls", f"{bucket}/db"]) == 0
    assert "histogram/film.mp4" in capsys.readouterr().out


def test_what_is_indexed_is_not_said_to_be_again(
    film: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", film, "--output", db, "--ops", "Histogram()", IN_MEMORY]
    assert main(args) == 0
    assert "indexing 1 video" in capsys.readouterr().err
    assert main([*args, "--cache-mode", "overwrite"]) == 0
    assert "indexing" not in capsys.readouterr().err
    assert main([*args, "--cache-mode", "overwrite", "--reindex"]) == 0
    # The file is as it was: there was nothing to do.
    assert "indexing" not in capsys.readouterr().err


def test_show_of_a_stream_that_is_not_there_points_to_ls(
    film: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["--input", film, "--output", db, "--ops", "Histogram()", IN_MEMORY]) == 0
    )
    capsys.readouterr()
    assert main(["show", db, "histograms"]) == 2
    told = capsys.readouterr().err
    assert "'histograms'" in told
    assert f"'beam-scanner ls {db}'" in told


# Runs that nobody waits for.


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """What the client is asked to run."""
    calls: list[tuple[Any, dict[str, Any]]] = []

    def run(self: Client, outputs: Any, perf: Any, **options: Any) -> int | None:
        calls.append((outputs, options))
        return 1 if options["detach"] else None

    monkeypatch.setattr(Client, "run", run)
    return calls


def elsewhere(bucket: str, film: str, *more: str) -> list[str]:
    """Arguments for Dataflow, with a film in a bucket."""
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")
    put(bucket, "films/film.mp4", data=Path(film).read_bytes())
    args = ["--input", f"{bucket}/films/*.mp4", "--output", f"{bucket}/db"]
    return [*args, DATAFLOW, *SETTINGS, *more]


CHAIN = ["--ops", "Stride(2) | Histogram()"]
LEAVE = "--no_wait_until_finish"


@pytest.mark.parametrize("flag", [LEAVE, "--template_location=gs://bucket/job"])
def test_it_is_submitted_and_left(
    bucket: str,
    film: str,
    flag: str,
    submitted: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = elsewhere(bucket, film, *CHAIN, flag, "--cache-mode", "ignore")
    assert main(args) == 0
    ((outputs, options),) = submitted
    assert [output.streams[0].name() for output in outputs] == ["histogram/film.mp4"]
    assert options["detach"] is True
    assert options["cache_mode"] is CacheMode.Ignore
    assert options["on_failure"] == "raise"
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("submitted as run 1; ")


def test_without_the_flag_it_is_waited_for(
    bucket: str, film: str, submitted: list[Any]
) -> None:
    main(elsewhere(bucket, film, *CHAIN))
    ((_, options),) = submitted
    assert options["detach"] is False


def test_a_run_that_would_end_with_us_is_waited_for(
    film: str, db: str, submitted: list[Any]
) -> None:
    main(["--input", film, "--output", db, *CHAIN, IN_MEMORY, LEAVE])
    ((_, options),) = submitted
    assert options["detach"] is False


def test_a_graph_that_goes_on_with_results_cannot_be_left(
    bucket: str, film: str, submitted: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(elsewhere(bucket, film, "--graph", "shots", LEAVE)) == 2
    assert "a process must wait" in capsys.readouterr().err
    assert submitted == []


def test_explain_is_never_left(
    bucket: str, film: str, submitted: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *elsewhere(bucket, film, *CHAIN, LEAVE)]) == 0
    assert "frames" in capsys.readouterr().out
    assert submitted == []


# Runners are checked before anything is made.


def test_dataflow_is_checked_first(
    film: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")
    args = ["--input", film, "--output", db, *CHAIN, DATAFLOW]
    assert main(args) == 2
    assert "--project is missing" in capsys.readouterr().err
    assert main([*args, *SETTINGS]) == 2
    assert f"'{db}' is out of reach" in capsys.readouterr().err
    assert main([*args, *SETTINGS, "--accelerator=t4"]) == 2
    assert "--accelerator='t4'" in capsys.readouterr().err
    assert not Path(db).exists()


def test_a_job_server_is_looked_for_first(
    film: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--input", film, "--output", db, *CHAIN, "--runner=PortableRunner"]
    assert main([*args, "--job_endpoint=localhost:9"]) == 2
    assert "nothing listens" in capsys.readouterr().err
    assert not Path(db).exists()


@pytest.mark.parametrize("runner", ["Walker", "walkers.WalkerRunner"])
def test_a_runner_that_is_none(
    film: str, db: str, capsys: pytest.CaptureFixture[str], runner: str
) -> None:
    args = ["--input", film, "--output", db, *CHAIN, f"--runner={runner}"]
    assert main(args) == 2
    assert f"--runner={runner}: " in capsys.readouterr().err
    assert not Path(db).exists()


def test_a_runner_of_somebody_else_is_named_in_full(
    film: str, db: str, submitted: list[Any]
) -> None:
    name = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
    main(["--input", film, "--output", db, *CHAIN, f"--runner={name}"])
    assert len(submitted) == 1
