"""A library's content in its file: whoever writes, dies, or got there before."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError, KernelError
from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.kernels.native import interface
from beam_scanner.kernels.native import library as module
from beam_scanner.kernels.native.library import NativeLibrary
from tests.support.folders import ROOT
from tests.support.native_libraries import build


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of everybody's."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_equal_contents_are_one_object() -> None:
    one = NativeLibrary(b"content")
    assert NativeLibrary(bytes(bytearray(b"content"))) is one
    assert NativeLibrary(b"other") is not one
    assert pickle.loads(pickle.dumps(one)) is one
    assert (one.content, len(one.digest)) == (b"content", 64)
    gone = one.digest
    del one
    gc.collect()
    assert gone not in module._libraries


def test_its_content_is_what_counts() -> None:
    one, other = (code_digest(NativeLibrary(c), home="") for c in (b"a", b"b"))
    assert one != other
    assert code_digest(NativeLibrary(b"a"), home="") == one


def test_the_file(shared: Path) -> None:
    library = NativeLibrary(b"content")
    path = Path(library.path())
    assert path.parent == shared / f"beam_scanner-{os.geteuid()}"
    assert path.name == f"{library.digest}.so"
    assert path.read_bytes() == b"content"
    written = path.stat().st_ino
    assert library.path() == str(path)
    assert path.stat().st_ino == written
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_damaged_is_replaced(shared: Path) -> None:
    library = NativeLibrary(b"content")
    path = Path(library.path())
    path.write_bytes(b"cont")
    assert Path(library.path()).read_bytes() == b"content"


def test_a_link_in_its_place_is_not_followed(shared: Path) -> None:
    library = NativeLibrary(b"content")
    path = Path(library.path())
    victim = shared / "victim"
    victim.write_bytes(b"content")
    path.unlink()
    path.symlink_to(victim)
    assert not Path(library.path()).is_symlink()
    assert path.read_bytes() == victim.read_bytes() == b"content"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_strangers_folder_is_passed_over(shared: Path) -> None:
    theirs = shared / f"beam_scanner-{os.geteuid()}"
    theirs.mkdir(mode=0o700)
    library = NativeLibrary(b"content")
    (theirs / f"{library.digest}.so").write_bytes(b"trap")
    os.chown(theirs, 12345, 12345)
    assert Path(library.path()).parent.name == f"{theirs.name}-1"


def test_many_writers_at_once(native_ops: Path, shared: Path) -> None:
    """Each has a whole file whenever it looks, and nothing is left over."""
    program = (
        "import contextlib, os, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from beam_scanner.kernels.native.library import NativeLibrary\n"
        "library = NativeLibrary(open(sys.argv[2], 'rb').read())\n"
        "sys.stdin.readline()\n"
        "for _ in range(20):\n"
        "    path = library.path()\n"
        "    with contextlib.suppress(FileNotFoundError):\n"
        "        assert open(path, 'rb').read() == library.content\n"
        "        os.unlink(path)\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, shared, native_ops],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        for _ in range(3)
    ]
    for writer in writers:
        _, errors = writer.communicate(b"\n", timeout=120)
        assert writer.returncode == 0, errors.decode()
    library = NativeLibrary(native_ops.read_bytes())
    path = Path(library.path())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_it_is_opened_once(native_ops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = interface.open_ops

    def opening(path: str) -> interface.Ops:
        opened.append(path)
        return real(path)

    monkeypatch.setattr(module, "_opened", {})
    monkeypatch.setattr(interface, "open_ops", opening)
    library = NativeLibrary(native_ops.read_bytes())
    assert library.ops() is library.ops()
    assert len(opened) == 1


def test_one_that_cannot_be_opened_here(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="cannot be used: it cannot be opened"):
        NativeLibrary(b"no library").ops()


@pytest.mark.parametrize(
    ("on_load", "words"),
    [
        ("raise(SIGSEGV)", "opening it ends the process with SIGSEGV"),
        ("abort()", "opening it ends the process with SIGABRT"),
        ("_exit(3)", "opening it ends the process with code 3"),
        ("_exit(0)", "said nothing"),
    ],
)
def test_one_that_ends_the_process_is_asked_in_another(
    on_load: str, words: str, tmp_path: Path
) -> None:
    path = build(tmp_path / "library.so", ON_LOAD=on_load)
    with pytest.raises(ArgumentError, match=words):
        NativeLibrary(path.read_bytes()).describe()


def test_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 1)
    path = build(tmp_path / "library.so", ON_LOAD="sleep(1000)")
    with pytest.raises(ArgumentError, match="does not say within 1 seconds"):
        NativeLibrary(path.read_bytes()).describe()


def test_one_that_prints(tmp_path: Path) -> None:
    path = build(tmp_path / "library.so", ON_LOAD='puts("{}"), fflush(stdout)')
    assert NativeLibrary(path.read_bytes()).describe().startswith('{"ops"')


def test_a_description_that_is_no_text(tmp_path: Path) -> None:
    path = build(tmp_path / "library.so", DESCRIPTION='"\\xff"')
    with pytest.raises(ArgumentError, match="its description is not UTF-8"):
        NativeLibrary(path.read_bytes()).describe()
