"""What a program has loaded once it has done something that needs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import beam_scanner
from beam_scanner import Failure, NamedStorage, NamedStream, NamedVideoStream, types
from beam_scanner.storage.failure_files import write_failures
from beam_scanner.video.encoder import Encoding, VideoEncoder

ROOT = Path(__file__).parent.parent

BEAM = {"apache_beam", "grpc", "pandas"}
MEDIA = {"av", "cv2"}
ARRAYS = {"numpy", "pyarrow"}


def loaded(program: str, *arguments: object) -> set[str]:
    """Top-level modules that a new process has imported after running a program."""
    program += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stderr == ""
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    with VideoEncoder(str(path), Encoding(keyframe_distance=5)) as encoder:
        for row in range(10):
            encoder.write(np.full((16, 16, 3), 20 * row, np.uint8), row / 25)
    return path


@pytest.fixture(scope="module")
def database(film: Path) -> Path:
    storage = NamedStorage(film.parent / "db")
    histogram = [np.arange(4, dtype=np.int32)] * 3
    NamedStream(storage, "histograms").save([histogram] * 2, types.Histogram)
    NamedStream(storage, "bytes").save([b"a", types.NULL])
    NamedStream(storage, "arrays").save([np.eye(2)], types.NumpyArray)
    NamedStream(storage, "anything").save([{"a": 1}], types.Any)
    NamedVideoStream(storage, "film", path=str(film)).ingest()
    write_failures(storage.store(), "run", [Failure("film", "it is only a test")], 0.0)
    return film.parent / "db"


def test_importing_the_package_loads_next_to_nothing() -> None:
    found = loaded("import beam_scanner")
    assert "beam_scanner" in found
    assert found & (BEAM | MEDIA | ARRAYS) == set()


def test_opening_a_video_loads_no_beam(film: Path) -> None:
    found = loaded(
        "import beam_scanner, sys\n"
        "with beam_scanner.video.open(sys.argv[1]) as video: video[7]",
        film,
    )
    assert "av" in found
    assert found & BEAM == set()


def test_a_graph_is_built_without_beam(film: Path, database: Path) -> None:
    found = loaded(
        "import sys\n"
        "from typing import Any\n"
        "from beam_scanner import *\n"
        "@register_python_op()\n"
        "def brightness(config, frame: FrameType) -> Any:\n"
        "    return frame.mean()\n"
        "@register_python_op()\n"
        "class Darkness(Kernel):\n"
        "    def execute(self, frame: FrameType) -> bytes:\n"
        "        return b''\n"
        "sc = Client(db_path=sys.argv[2])\n"
        "videos = [NamedVideoStream(sc, 'film', path=sys.argv[1])]\n"
        "frames = sc.streams.Stride(sc.io.Input(videos), [2])\n"
        "ops = [sc.ops.Histogram, sc.ops.brightness, sc.ops.Darkness]\n"
        "streams = [NamedStream(sc, 'a'), NamedStream(sc, 'b'), NamedStream(sc, 'c')]\n"
        "for op, stream in zip(ops, streams): sc.io.Output(op(frame=frames), [stream])\n"
        "sc.summarize()",
        film,
        database,
    )
    assert found & (BEAM | MEDIA) == set()


COMMAND = "import sys; from beam_scanner.cli.main import main; main(sys.argv[1:])"


@pytest.mark.parametrize(
    "command", ["--version", "--help", "explain --help", "ls --help"]
)
def test_help_and_version_load_next_to_nothing(command: str) -> None:
    assert loaded(COMMAND, *command.split()) & (BEAM | MEDIA | ARRAYS) == set()


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "show histograms",
        "show bytes",
        "show arrays",
        "show anything",
        "show film",
        "failures",
        "gc",
        "rm bytes",
    ],
)
def test_commands_about_a_database_load_no_beam(command: str, database: Path) -> None:
    name, *more = command.split()
    assert loaded(COMMAND, name, database, *more) & BEAM == set()


def test_every_op_can_be_named_without_opencv() -> None:
    found = loaded("from beam_scanner import ops; ops.register_ops()")
    assert found & (BEAM | MEDIA) == set()


@pytest.mark.parametrize(
    "program",
    [
        "import beam_scanner.transforms",
        "import beam_scanner.runners.start",
        "from beam_scanner.kernels import dumps_graph; dumps_graph(max)",
    ],
)
def test_importing_beam_leaves_no_log_handler(program: str) -> None:
    # Without its cloud libraries Beam logs a warning while it is imported.
    program = (
        "import sys; sys.modules['apitools'] = None\n"
        f"{program}\n"
        "import logging; assert not logging.getLogger().handlers"
    )
    assert "apache_beam" in loaded(program)


@pytest.mark.parametrize(
    "package", ["", ".scannerpy", ".storage", ".transforms", ".video"]
)
def test_python_finds_the_names_that_type_checkers_see(package: str) -> None:
    module = import_module(f"beam_scanner{package}")
    tree = ast.parse(Path(str(module.__file__)).with_suffix(".pyi").read_text())
    imports = [
        node
        for node in tree.body
        # Of other packages a stub imports what its own annotations need.
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith("beam_scanner")
    ]
    homes = {
        alias.name: str(statement.module)
        for statement in imports
        for alias in statement.names
        if alias.name != "*"
    }
    assert homes
    assert {*homes} - {"__version__"} <= {*dir(module)}
    for name, home in homes.items():
        if home == module.__name__:
            assert getattr(module, name) is import_module(f"{home}.{name}")
        else:
            assert name in module.__all__
            assert getattr(module, name) is getattr(import_module(home), name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'beam_scanner' has no attribute"):
        beam_scanner.Clint  # type: ignore[attr-defined]  # noqa: B018


def test_star_imports_the_names_of_the_package() -> None:
    space: dict[str, object] = {}
    exec("from beam_scanner import *", space)
    assert {"Client", "NamedStream", "storage", "types"} <= set(space)
    assert "lazy_names" not in space
