"""``beam_scanner_op.hpp``: arguments are read as Python wrote them, and errors arrive."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import KernelError
from beam_scanner.kernels import KernelConfig
from beam_scanner.kernels.native import include_folder
from beam_scanner.kernels.op_spec import OpSpec
from beam_scanner.types.element_types import NULL, DeviceHandle, DeviceType
from tests.support.folders import ROOT
from tests.support.native_kernels import spec_of
from tests.support.native_libraries import tool

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("echo") / "echo.so"
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [tool("c++"), "-std=c++17", "-shared", "-fPIC", *warnings]
    source = ROOT / "tests" / "support" / "echo_ops.cpp"
    include = f"-I{include_folder()}"
    subprocess.run([*command, include, source, "-o", path], check=True)
    return path


@pytest.fixture(scope="module")
def echo(library: Path) -> OpSpec:
    return spec_of(library, "Echo")


def ask(echo: OpSpec, what: bytes, **arguments: Any) -> Any:
    return echo.instantiate(KernelConfig(), arguments).execute(what=what)


@settings(deadline=None)
@given(TEXT, JSON, st.integers(-(2**63), 2**63 - 1), st.booleans())
def test_arguments(echo: OpSpec, s: str, j: Any, i: int, b: bool) -> None:
    given = {"s": s, "j": j, "i": i, "b": b}
    assert ask(echo, b"s", **given).decode() == s
    found = ask(echo, b"j", **given).decode()
    # A string is given as what it says.
    assert found == j if isinstance(j, str) else json.loads(found) == j
    assert ask(echo, b"int", **given) == b"%d" % i
    assert ask(echo, b"flag", **given) == (b"yes" if b else b"no")


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers(echo: OpSpec, f: float) -> None:
    assert struct.unpack("d", ask(echo, b"number", f=f)) == (f,)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (b"throw", "^thrown %s$"),
        (b"throw a number", "an exception that is no std::exception"),
        (b"frame", "no frame"),
        (b"row", "the call has no such element"),
        (b"place", "the call has no such element"),
        (b"nothing", "no argument nothing"),
    ],
)
def test_what_is_thrown(what: bytes, words: str, echo: OpSpec) -> None:
    with pytest.raises(KernelError, match=words):
        ask(echo, what)


def test_an_output_that_is_made_twice(echo: OpSpec) -> None:
    with pytest.raises(KernelError, match="output 'value' was made twice"):
        ask(echo, b"twice", s="b")


def test_a_constructor_that_throws(library: Path) -> None:
    with pytest.raises(KernelError, match="an exception that is no std::exception"):
        ask(spec_of(library, "EchoNone"), b"s")


def test_a_null(echo: OpSpec) -> None:
    assert ask(echo, b"null") is NULL


def test_the_device(echo: OpSpec) -> None:
    assert ask(echo, b"device") == b"1 0"
    config = KernelConfig(devices=[DeviceHandle(DeviceType.GPU, 3)])
    assert echo.instantiate(config, {}).execute(what=b"device") == b"2 3"
