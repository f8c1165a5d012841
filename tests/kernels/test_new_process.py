"""A new process answers, or there is no answer; nothing is raised."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_scanner.kernels.new_process import ask_new_process

ECHO = "import json, sys; print('noise'); print(json.dumps(json.load(sys.stdin)))"


def test_the_last_line_is_the_answer() -> None:
    question = {"names": ["é", None], "n": 1.5}
    assert ask_new_process(ECHO, question, 60) == question


def test_it_is_another_process() -> None:
    assert ask_new_process("import os; print(os.getpid())", 0, 60) != os.getpid()


def test_it_finds_what_lies_where_this_process_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_the_program.py").write_text("ANSWER = 7\n")
    monkeypatch.chdir(tmp_path)
    program = "import beside_the_program as b; print(b.ANSWER)"
    assert ask_new_process(program, 0, 60) == 7


@pytest.mark.parametrize(
    "program",
    ["print('no JSON')", "", "raise SystemExit(1)", "no Python at all", "1 / 0"],
)
def test_no_answer(program: str) -> None:
    assert ask_new_process(program, 0, 60) is None


def test_it_is_not_waited_for_longer_than_said() -> None:
    assert ask_new_process("import time; time.sleep(60); print(1)", 0, 0.2) is None
