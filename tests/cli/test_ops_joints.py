"""What stands between the calls of ``--ops``."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.cli.ops_joints import wrong_joint
from beam_scanner.cli.ops_language import parse_ops
from beam_scanner.errors import ArgumentError
from tests.support.commands import wrong

SIGNS = [
    ",",
    ";",
    ".",
    "+",
    "&",
    "||",
    "|>",
    ">",
    ">>",
    "->",
    "=>",
    "→",
    "\u2013",
    "and",
]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("space", ["", " ", "\n"])
def test_other_signs_between_calls(sign: str, space: str) -> None:
    space = space or " " * sign.isalpha()
    text = f"Stride(8) | Gather([(1), 2]){space}{sign}{space}Pass() | Pass()"
    with pytest.raises(ArgumentError) as caught:
        parse_ops(text)
    column = text.index(f"{sign}{space}Pass") + 1
    said = str(caught.value)
    assert f"--ops, column {column} (" in said
    assert f"join ops with |, not {sign!r}, as in Gather(...) | Pass(" in said


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("Stride(8) Pass()", 10, "Stride(...) | Pass(...)"),
        ("Stride(8)Pass()", 9, "Stride(...) | Pass(...)"),
        ("Stride(8)\nPass()", 10, "Stride(...) | Pass(...)"),
        ("(Stride(8) Pass())", 11, "Stride(...) | Pass(...)"),
        ("Pass Stride(8)", 5, "Pass(...) | Stride(...)"),
        ("Stride(8) Pass", 10, "Stride(...) | Pass(...)"),
        ("Blur(a=') | (') Pass()", 16, "Blur(...) | Pass(...)"),
        ("Slice(all(3)) Pass() | Unslice()", 14, "Slice(...) | Pass(...)"),
        ("Pass() | Pass() | Stride(8) Pass()", 28, "Stride(...) | Pass(...)"),
        ("Stride(8) |", 10, "no op after |"),
        ("| Stride(8)", 0, "no op before |"),
        ("Stride(8) | | Pass()", 10, "no op between | and |"),
        ("Stride(8);", 9, "';' cannot end a chain"),
    ],
)
def test_the_place_is_said(text: str, place: int, message: str) -> None:
    found = wrong_joint(text)
    assert found is not None
    assert found[0] == place
    assert message in found[1]
    with pytest.raises(ArgumentError) as caught:
        parse_ops(text)
    assert found[1] in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "Stride(8) | Pass()",
        "Stride(8)|Pass()",
        "Stride(8) |\n Pass()",
        "Blur(a='x) y (', b=[1, 2])",
        "Blur(a=''' it's ) and ''')",
        "Slice(all(3)) | Pass() | Unslice()",
        "Stride(8",
        "os.remove('a')",
        "'é' | Stride(y)",
        "",
    ],
)
def test_other_texts_are_left_to_the_parser(text: str) -> None:
    assert wrong_joint(text) is None


@given(st.text("Stride(8)|[]{}'\",.=*:# \n\t\\", max_size=40) | st.text(max_size=30))
@settings(deadline=None)
def test_any_text_can_be_searched(text: str) -> None:
    found = wrong_joint(text)
    assert found is None or 0 <= found[0] < len(text)


def test_the_command_says_it(
    video: str, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ops = "Stride(8) Histogram()"
    line = wrong(capsys, "--input", video, "--output", db, "--ops", ops)
    assert "column 11 (Histogram()): join ops with |" in line
