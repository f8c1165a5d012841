"""What ctypes sees of the interface is what a compiler makes of it."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.kernels.native import include_folder, interface
from tests.support.native_libraries import SOURCE, build, tool

STRUCTURES = {
    "DLDevice": interface.Device,
    "DLDataType": interface.DataType,
    "DLTensor": interface.Tensor,
    "BeamScannerElement": interface.Element,
    "BeamScannerCall": interface.Call,
    "BeamScannerConfig": interface.Config,
    "BeamScannerOps": interface.Ops,
}


@pytest.mark.parametrize("compiler", ["cc", "c++"])
def test_layouts(compiler: str, tmp_path: Path) -> None:
    lines = []
    expected = []
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        expected.append(ctypes.sizeof(structure))
        for field, *_ in structure._fields_:
            lines.append(f'printf("%zu\\n", offsetof({name}, {field}));')
            expected.append(getattr(structure, field).offset)
    lines += [
        'printf("%d\\n", BEAM_SCANNER_OP_VERSION);',
        'printf("%d\\n", BEAM_SCANNER_ERROR_BYTES);',
        'printf("%d%d%d\\n", BEAM_SCANNER_NULL, BEAM_SCANNER_BYTES, BEAM_SCANNER_TENSOR);',
    ]
    expected += [interface.VERSION, interface.ERROR_BYTES, 12]
    source = tmp_path / ("layout.c" if compiler == "cc" else "layout.cpp")
    source.write_text(
        "#include <stddef.h>\n#include <beam_scanner_op.h>\n"
        f"int main(void) {{ {' '.join(lines)} return 0; }}\n"
    )
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{include_folder()}"]
    program = tmp_path / "layout"
    subprocess.run([tool(compiler), *flags, source, "-o", program], check=True)
    printed = subprocess.run([program], capture_output=True, check=True).stdout
    assert list(map(int, printed.split())) == expected


def test_every_function_is_looked_for() -> None:
    names = [name for name, *_ in interface.Ops._fields_]
    assert tuple(names[2:]) == interface.FUNCTIONS


def test_a_library_is_opened(native_ops: Path) -> None:
    table = interface.open_ops(str(native_ops))
    assert json.loads(interface.description_text(table))["ops"]


@pytest.mark.parametrize(
    ("defined", "words"),
    [
        ({"VERSION": 2}, "built for version 2 of beam_scanner_op.h, .* has version 1"),
        ({"SIZE": 40}, "has 40 bytes, and 56 are expected"),
        ({"TABLE": "NULL"}, "beam_scanner_ops returned NULL"),
        ({"EXECUTE": "NULL"}, "its function execute is NULL"),
        ({"ENTRY": "scanner_ops"}, "does not export beam_scanner_ops.*port one"),
        ({"DESCRIPTION": "NULL"}, "describe returned NULL"),
    ],
)
def test_a_library_that_does_not_keep_to_it(
    defined: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = build(tmp_path / "library.so", SOURCE, **defined)
    with pytest.raises(interface.NotALibrary, match=words):
        interface.description_text(interface.open_ops(str(path)))


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("no library")
    with pytest.raises(interface.NotALibrary, match=r"cannot be opened: .*text.so"):
        interface.open_ops(str(path))


def test_as_a_program_it_needs_no_package(native_ops: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", interface.__file__]
    done = subprocess.run([*command, native_ops], capture_output=True, cwd=tmp_path)
    assert json.loads(json.loads(done.stdout)["describe"])["ops"]
    done = subprocess.run([*command, "/nowhere.so"], capture_output=True)
    assert "cannot be opened" in json.loads(done.stdout)["error"]
