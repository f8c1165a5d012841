"""Ops in files of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import registry
from beam_scanner.kernels.op_modules import register_module

OPS = """
from beam_scanner.kernels import register_python_op

@register_python_op(name="OfAFile")
def of_a_file(config, x: bytes) -> bytes:
    return x
"""


def test_the_ops_of_a_file_are_registered_once(tmp_path: Path) -> None:
    file = tmp_path / "some.more ops.py"
    file.write_text(OPS)
    module = register_module(file)
    try:
        assert registry().get("OfAFile").kernel is module.of_a_file
        assert register_module(str(file)) is module
        assert "." not in module.__name__
    finally:
        registry().remove("OfAFile")
        del sys.modules[module.__name__]


def test_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    modules = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ops.py").write_text(f"FOLDER = {folder!r}\n")
        modules.append(register_module(tmp_path / folder / "ops.py"))
    assert [module.FOLDER for module in modules] == ["a", "b"]


def test_a_file_that_fails_is_run_again_when_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        register_module(file)
    file.write_text("mended = True\n")
    assert register_module(file).mended


@pytest.mark.parametrize(
    ("name", "message"),
    [("kernels.so", "Failed to load op library"), ("none.py", "does not exist")],
)
def test_what_is_no_module(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        register_module(tmp_path / name)


def test_messages_come_with_it(tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text("")
    with pytest.raises(ArgumentError, match="nowhere"):
        register_module(tmp_path / "ops.py", proto_path="nowhere_pb2.py")
