"""The command ``ops``."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.cli.ops_language import ENCODINGS
from beam_scanner.kernels.op_help import op_parameters
from beam_scanner.kernels.register import op_spec, registry
from beam_scanner.ops import shipped_ops
from beam_scanner.rows.samplers import PARTITIONS, SAMPLERS
from tests.support.commands import command, wrong

OWN = '''
from beam_scanner import FrameType, Kernel, register_python_op


@register_python_op()
class OwnOfTheList(Kernel):
    """Does something\x1b[31m, with ``level``.

    More of it.
    """

    def __init__(self, config, level: float = 0.5, an_argument_whose_name_is_much_longer_than_any=None):
        """Sets up.

        Args:
            level: How much.
        """

    def execute(self, frame: FrameType) -> int:
        return 1
'''

KNOWN = [*SAMPLERS, *PARTITIONS, "Slice", "Unslice", *shipped_ops(), *ENCODINGS]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def listed(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    assert command("ops", *args) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out.splitlines()


def test_everything_that_a_chain_may_call_is_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = listed(capsys)
    for name in KNOWN:
        assert any(line.startswith(f"  {name}(") for line in lines), name
    assert "  StridedRange(start, end, stride)" in lines
    words = " ".join(" ".join(lines).split())
    assert "DrawFlow(style, fastest) (in graphs only)" in words
    assert "  Histogram()" in lines
    assert not any("``" in line for line in lines)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_lines_fit_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    # A word that is longer than a line is broken.
    for args in [], ["Infer"], ["StridedRanges"], ["EmbedFrames"]:
        assert max(map(len, listed(capsys, *args))) <= columns


@pytest.mark.parametrize("name", KNOWN)
def test_each_is_described(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = listed(capsys, name)
    assert lines[0].startswith(f"{name}(")
    text = "\n".join(lines)
    if name in shipped_ops():
        for parameter in op_parameters(op_spec(name)):
            assert f"\n  {parameter.name}" in text
    assert "arguments:" in text


def test_what_a_description_says(capsys: pytest.CaptureFixture[str]) -> None:
    lines = listed(capsys, "Blur")
    assert lines[0] == "Blur(kernel_size, sigma=0.0)"
    assert "input: frame (FrameType)" in lines
    assert "output: FrameType" in lines
    text = " ".join(" ".join(lines).split())
    assert "kernel_size Side of the filter in pixels; odd for a Gaussian." in text
    assert "(int, required)" in text
    assert "(float, default: 0.0)" in text


@pytest.mark.parametrize("name", ["histogram", "Histogram()", "HISTOGRAM"])
def test_names_as_people_write_them(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listed(capsys, name)[0] == "Histogram()"


def test_ops_of_a_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own_of_the_list.py"
    file.write_text(OWN)
    try:
        lines = listed(capsys, "--load", str(file))
        at = lines.index("ops that were loaded:")
        own = "  OwnOfTheList(level, an_argument_"
        assert any(line.startswith(own) for line in lines[at:])
        assert "Does something\\x1b[31m, with level." in "\n".join(lines[at:])
        lines = listed(capsys, "OwnOfTheList", "--load", str(file))
        assert "  How much." in " ".join(lines).replace("level", "")
    finally:
        registry().remove("OwnOfTheList")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["Stried"], "there is no op or sampler 'Stried'; did you mean "),
        (["Zzz"], "'beam-scanner ops' lists all"),
        (["Stride", "Range"], "unrecognized arguments: Range"),
        (["--load", "no.py"], "--load: there is no file 'no.py'"),
        (["--output", "db"], "unrecognized arguments"),
    ],
)
def test_wrong_arguments(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in wrong(capsys, "ops", *args)
