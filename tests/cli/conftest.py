"""Videos, databases and graphs for the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.commands import IN_MEMORY, command
from tests.support.object_servers import GcsServer
from tests.support.video_fixtures import make_video

GRAPHS = """
from typing import Any

import helper_beside_graphs
from beam_scanner import FrameType, register_python_op


@register_python_op(name="CliBrightness")
def brightness(config, frame: FrameType) -> Any:
    if helper_beside_graphs.FAIL_ABOVE < frame.mean():
        raise ValueError("too bright")
    return float(frame.mean())


def mean(sc, videos):
    return sc.ops.CliBrightness(frame=sc.io.Input(videos))


def two(sc, videos):
    frames = sc.streams.Stride(sc.io.Input(videos), [10] * len(videos))
    return {"mean": sc.ops.CliBrightness(frame=frames), "frames": frames.lossless()}


def staged(sc, videos):
    frames = sc.io.Input(videos)
    written = yield {"mean": sc.ops.CliBrightness(frame=frames)}
    rows = []
    for stream in written["mean"]:
        values = list(stream.load())
        rows.append([values.index(max(values))])
    again = sc.streams.Gather(sc.io.Input(written.videos), rows)
    last = yield {"brightest": again.lossless()}
    own = last.stream("rows", last.videos[0])
    own.save([str(rows).encode()])
    return ["a file"]


def broken(sc, videos):
    return {}["no such key"]


def nothing(sc, videos):
    return 7


def other_streams(sc, videos):
    from beam_scanner import NamedStream

    return sc.ops.Pass(sc.io.Input([NamedStream(sc, "not made of a video")]))


not_a_function = 3
"""


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command adds folders to it; they go with their test."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def video(tmp_path: Path) -> str:
    return make_video(tmp_path / "a.mp4", frames=40)


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "db")


@pytest.fixture
def graphs(tmp_path: Path) -> Iterator[str]:
    """A file of graphs that imports another one beside it."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "helper_beside_graphs.py").write_text("FAIL_ABOVE = 1000\n")
    (folder / "cli_graphs.py").write_text(GRAPHS)
    yield str(folder / "cli_graphs.py")
    from beam_scanner.kernels import registry

    registry().remove("CliBrightness")
    for name in [n for n in sys.modules if n.startswith(("cli_graphs", "helper_be"))]:
        del sys.modules[name]


@pytest.fixture
def filled(video: str, db: str) -> str:
    args = ["--input", video, "--output", db, IN_MEMORY, "--quiet", "--ops"]
    assert command(*args, "Stride(4) | Histogram()") == 0
    assert command(*args, "Stride(4)") == 0
    return db


@pytest.fixture(autouse=True)
def no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test may have loaded what shows progress bars in notebooks."""
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


@pytest.fixture(scope="session")
def _server() -> Iterator[GcsServer]:
    with ExitStack() as stack:
        yield GcsServer(stack)


@pytest.fixture
def bucket(_server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new one, on a server of this machine."""
    for name, value in _server.environment.items():
        monkeypatch.setenv(name, value)
    return _server.make_bucket()
