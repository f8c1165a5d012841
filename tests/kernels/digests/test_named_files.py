"""Files that arguments name are part of what is run."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.kernels.digests.digest import digest
from tests.support.fingerprinted import kernel_over, of

# --- files -----------------------------------------------------------------------


@pytest.mark.parametrize("form", [str, Path])
def test_a_file_that_a_value_names_counts_with_its_content(
    tmp_path: Path, form: Any
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"one")
    for value in (form(file), {"model": [form(file)]}):
        before = of(value)
        stamp = file.stat().st_mtime
        os.utime(file, (stamp + 10, stamp + 10))
        assert of(value) == before
        file.write_bytes(b"two")
        assert of(value) != before
        file.write_bytes(b"one")
        assert of(value) == before


def test_a_file_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model.onnx").write_bytes(b"one")
    before = of("~/model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"two")
    assert of("~/model.onnx") != before


@pytest.mark.parametrize("name", ["flag", "calls.txt", "run.log"])
def test_files_that_kernels_write_do_not_count(tmp_path: Path, name: str) -> None:
    before = of(str(tmp_path / name))
    (tmp_path / name).write_bytes(b"1")
    assert of(str(tmp_path / name)) == before


@pytest.mark.parametrize("name", ["a.b/libx.so", "libx.so.1.2", "M.PTH", "x.tar.npz"])
def test_names_of_files_that_count(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    before = of(str(file))
    file.write_bytes(b"1")
    assert of(str(file)) != before


def test_a_native_library_is_told_by_its_file() -> None:
    library = ctypes.CDLL("libm.so.6")
    found = digest([("", kernel_over(library))], "users_module")
    assert found.text == of_text(kernel_over(ctypes.CDLL("libm.so.6")))
    assert not found.opaque


def of_text(value: Any) -> str:
    return digest([("", value)], "users_module").text
