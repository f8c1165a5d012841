"""``import scannerpy`` in programs and on workers, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.folders import ROOT

PRELUDE = "from beam_scanner.scannerpy.aliases import install; install(); install()\n"


def run(code: str, folder: Path, prelude: str = PRELUDE) -> str:
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_modules_are_the_same_objects(tmp_path: Path) -> None:
    code = (
        "import beam_scanner.scannerpy as own, importlib, pkgutil, sys\n"
        "import scannerpy, scannerpy.types as t, scannerpy.op\n"
        "from scannerpy import Client, protobufs\n"
        "from scannerpy.protobufs import protobufs as messages, python_to_proto\n"
        "assert scannerpy is own and Client is own.Client and t is own.types\n"
        "for module in pkgutil.iter_modules(own.__path__):\n"
        "    other = importlib.import_module(f'scannerpy.{module.name}')\n"
        "    assert other is getattr(own, module.name)\n"
        "    assert other.__name__ == other.__spec__.name\n"
        "    assert other.__name__ == f'beam_scanner.scannerpy.{module.name}'\n"
        "print(protobufs.__name__, type(messages).__name__)\n"
    )
    assert run(code, tmp_path) == "beam_scanner.scannerpy.protobufs ProtobufGenerator\n"


def test_the_star_has_what_that_of_scannerpy_has(tmp_path: Path) -> None:
    code = (
        "from scannerpy import *\n"
        "from scannerpy.common import *\n"
        "from scannerpy.storage import *\n"
        "import beam_scanner.scannerpy as own\n"
        "assert protobufs.BoundingBox(x1=1.0).x1 == 1.0\n"
        "assert Client is own.Client and FrameType is types.FrameType\n"
        "assert StoredStream is storage.StoredStream and PerfParams is common.PerfParams\n"
        "own = [io, op, client, config, job, kernel, source, sink, streams, table]\n"
        "own += [column, profiler, partitioner, build_flags]\n"
        "print(*{each.__name__.rpartition('.')[0] for each in own})\n"
    )
    assert run(code, tmp_path) == "beam_scanner.scannerpy\n"


def test_messages_have_the_names_of_generated_modules(tmp_path: Path) -> None:
    code = (
        "import scanner.metadata_pb2 as metadata_types\n"
        "import scanner.engine.rpc_pb2 as rpc_types\n"
        "from scanner.types_pb2 import BoundingBox\n"
        "from scanner.sampler_args_pb2 import GatherSamplerArgs\n"
        "print(metadata_types.MachineParameters(num_cpus=2).num_cpus)\n"
        "try: rpc_types.NewJobReply\n"
        "except AttributeError as error: print('Client' in str(error))\n"
    )
    assert run(code, tmp_path) == "2\nTrue\n"


def test_scannertools_without_being_installed(tmp_path: Path) -> None:
    code = (
        "import scannertools.imgproc, scannertools.misc, scannertools.shot_detection\n"
        "import scannertools.vis\n"
        "from scannertools.storage.files import FilesStream, FilesStorage\n"
        "from scannertools.storage.python import PythonStream\n"
        "from scannertools.storage import audio, caption\n"
        "from scannertools_sql.storage import SQLInputStream, SQLStorage\n"
        "import scannertools_sql, beam_scanner.storage as storage\n"
        "assert SQLStorage is storage.SQLStorage\n"
        "assert audio.AudioStream is storage.AudioStream\n"
        "assert caption is storage and not hasattr(storage, 'caption')\n"
        "try: import scannertools.face_embedding\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    assert "scannertools is not installed" in run(code, tmp_path)


def test_installed_packages_go_before_what_stands_in_for_them(tmp_path: Path) -> None:
    tools = tmp_path / "scannertools"
    (tools / "storage").mkdir(parents=True)
    (tools / "__init__.py").write_text("import scannerpy\nfrom . import torch\n")
    (tools / "shot_detection.py").write_text("MINE = 1\n")
    (tools / "torch.py").write_text(
        "from scannerpy.kernel import Kernel\nclass TorchKernel(Kernel): pass\n"
    )
    for compiled in ("imgproc.py", "storage/__init__.py"):
        (tools / compiled).write_text("raise ImportError('libscanner.so')\n")
    (tmp_path / "scanner.py").write_text("MINE = 2\n")
    code = (
        "import scannertools.imgproc, scannertools.torch\n"
        "from scannertools.storage.files import FilesStream\n"
        "from scannertools.shot_detection import MINE\n"
        "import scanner\n"
        "from scannertools.torch import TorchKernel\n"
        "print(MINE, scanner.MINE, scannertools.imgproc.__name__)\n"
        "try: import scannertools.gone\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    assert run(code, tmp_path).splitlines() == [
        "1 2 beam_scanner.ops",
        "No module named 'scannertools.gone'",
    ]


def test_nothing_of_it_is_there_before(tmp_path: Path) -> None:
    code = (
        "import beam_scanner.scannerpy as scannerpy, sys\n"
        "scannerpy.Client, scannerpy.op\n"
        "for name in ('scannerpy', 'scanner', 'scannertools'):\n"
        "    try: __import__(name)\n"
        "    except ModuleNotFoundError: print(name)\n"
    )
    found = run(code, tmp_path, prelude="")
    assert found.split() == ["scannerpy", "scanner", "scannertools"]


@pytest.mark.parametrize("name", ["scannerpy.stdlib", "scannerpy._python"])
def test_other_modules_are_not_there(tmp_path: Path, name: str) -> None:
    code = f"try: import {name}\nexcept ModuleNotFoundError as error: print(error)\n"
    assert "No module named" in run(code, tmp_path)


@pytest.mark.slow
def test_what_a_graph_needs_first_is_done_first(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import scannerpy\ndef f(): return scannerpy\n")
    code = (
        "import mine, sys\n"
        "from beam_scanner.kernels import dumps_graph\n"
        "sys.stdout.write(dumps_graph([mine.f, len]).hex())\n"
    )
    data = run(code, tmp_path)
    code = (
        "from beam_scanner.kernels import dumps_graph, loads_graph\n"
        f"f, _ = loads_graph(bytes.fromhex({data!r}))\n"
        "print(f().__name__, f.__module__)\n"
        "import scannerpy\n"
        "print(dumps_graph(1).count(b'install'))\n"
    )
    assert run(code, tmp_path, prelude="").split() == [
        *("beam_scanner.scannerpy", "mine"),
        "1",
    ]
