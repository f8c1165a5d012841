"""Installed code counts by name, except where kernels hold something of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import beam_scanner
from beam_scanner.kernels import read_spec
from beam_scanner.kernels.digests.installed_code import is_library
from tests.support.fingerprinted import of


def test_functions_that_an_installed_decorator_makes_count_with_what_they_hold() -> (
    None
):
    from apache_beam.utils.retry import with_exponential_backoff

    def made(value: int) -> Any:
        @with_exponential_backoff(num_retries=value)  # type: ignore[untyped-decorator]
        def helper(x: bytes) -> int:
            return value

        return helper

    assert of(made(1)) == of(made(1))
    assert of(made(1)) != of(made(2))


def test_an_installed_package_of_the_kernels_own_counts_as_an_editable_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mypackage8"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helpers.py").write_text("def work(x): return x * 2\n")
    (folder / "ops.py").write_text(
        "from mypackage8 import helpers\n"
        "def op(config, x: bytes) -> bytes: return helpers.work(x)\n"
    )
    found = []
    for record in (None, "mypackage8/__init__.py,,\nmypackage8/helpers.py,,\n"):
        monkeypatch.syspath_prepend(tmp_path)
        if record is not None:
            info = tmp_path / "mypackage8-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Name: mypackage8\nVersion: 1.0\n")
            (info / "RECORD").write_text(record + "mypackage8/ops.py,,\n")
        from beam_scanner.kernels.digests import installed_code

        installed_code._in_library.cache_clear()
        installed_code._installed_into.cache_clear()
        import mypackage8.ops  # type: ignore

        found.append(installed_code.is_library("mypackage8.ops"))
        found.append(read_spec(mypackage8.ops.op).digest)  # type: ignore[arg-type]
        for name in [n for n in sys.modules if n.startswith("mypackage8")]:
            del sys.modules[name]
    assert found[0] is False
    assert found[2] is True
    assert found[1] == found[3]


def test_a_module_may_be_known_under_another_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not is_library("other_name7")
    monkeypatch.setitem(sys.modules, "other_name7", beam_scanner)
    assert is_library("other_name7")
