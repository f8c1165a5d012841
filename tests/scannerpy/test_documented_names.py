"""Each documented name of Scanner is there: it does what it says, or says what to do."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from beam_scanner import scannerpy, storage
from beam_scanner.errors import ScannerException
from tests.support.client_helpers import open_client
from tests.support.documented_names import NAMES
from tests.support.folders import ROOT


class Documented(NamedTuple):
    """One line: a name, its parameters if it is called, whether it only refuses."""

    name: str
    parameters: str | None
    refuses: bool


def documented() -> list[Documented]:
    found = []
    for line in filter(None, NAMES.splitlines()):
        text = line.removesuffix(" -")
        called = re.fullmatch(r"(.+?)\((?!\)\.)(.*)\)", text)
        name, parameters = called.groups() if called else (text, None)
        found.append(Documented(name, parameters, line.endswith(" -")))
    return found


ALL = documented()
FIRST = {each.name.split(".")[0] for each in ALL if "." in each.name}
MODULES = {name for name in FIRST if name[0].islower()} - {"sc", "tools"}


@pytest.fixture(scope="module")
def sc(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_client(tmp_path_factory.mktemp("names")) as client:
        yield client


def look_up(name: str, sc: Any) -> Any:
    first, *rest = name.split(".")
    if first == "sc":
        found = sc
    elif first == "tools":
        found = storage
    elif first in MODULES:
        found = importlib.import_module(f"beam_scanner.scannerpy.{first}")
    else:
        found = getattr(scannerpy, first)
    for part in rest:
        found = getattr(found, part.removesuffix("()"))
        if part.endswith("()"):
            found = found()
    return found


def default_of(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return getattr(
            scannerpy.CacheMode, ast.unparse(node).removeprefix("CacheMode.")
        )


def is_of_class(name: str) -> bool:
    *_, above, _ = ["", *name.split(".")]
    return above[:1].isupper()


def parameters_of(found: Any, name: str) -> list[inspect.Parameter]:
    listed = list(inspect.signature(found).parameters.values())
    if is_of_class(name) and listed and listed[0].name == "self":
        del listed[0]
    return listed


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_it_is_there_with_its_parameters(each: Documented, sc: Any) -> None:
    found = look_up(each.name, sc)
    if each.parameters is None:
        return
    assert callable(found)
    wanted = ast.parse(f"def f({each.parameters}): ...").body[0]
    assert isinstance(wanted, ast.FunctionDef)
    names = [argument.arg for argument in wanted.args.args]
    defaults = [default_of(node) for node in wanted.args.defaults]
    own = parameters_of(found, each.name)
    if [p.kind for p in own][:1] == [inspect.Parameter.VAR_POSITIONAL]:
        return
    given = [parameter.name for parameter in own[: len(names)]]
    assert given == names
    for parameter, default in zip(
        own[len(names) - len(defaults) : len(names)], defaults, strict=True
    ):
        assert parameter.default == default, parameter.name
    required = own[: len(names) - len(defaults)]
    # Nothing more is asked for than Scanner asks for.
    assert all(
        p.default is not p.empty or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        for p in own[len(names) :]
    )
    assert len(required) == len(names) - len(defaults)
    if wanted.args.kwarg is not None:
        assert any(p.kind is p.VAR_KEYWORD for p in own)


@pytest.mark.parametrize(
    "each", [each for each in ALL if each.refuses], ids=lambda each: each.name
)
def test_what_means_nothing_here_says_what_to_do(each: Documented, sc: Any) -> None:
    found = look_up(each.name, sc)
    if each.parameters is None:
        count = 1
    else:
        count = len(parameters_of(found, each.name)) or each.parameters.count(",") + 1
        if is_of_class(each.name):
            count += 1  # self
    if [p.kind for p in inspect.signature(found).parameters.values()][:1] == [
        inspect.Parameter.VAR_POSITIONAL
    ]:
        count = 1
    with pytest.raises(ScannerException) as error:
        found(*[None] * count)
    assert len(str(error.value).split()) > 8


def test_the_page_has_every_name() -> None:
    page = (ROOT / "docs" / "scannerpy.md").read_text()
    words = set(re.findall(r"\w+", page))
    missing = {
        part
        for each in ALL
        for part in re.sub(r"\(\)", "", each.name).split(".")
        if part not in words
    }
    assert missing <= {"tools"}


def test_every_module_is_documented() -> None:
    assert len(MODULES) == 22
    for name in MODULES:
        assert getattr(scannerpy, name).__name__ == f"beam_scanner.scannerpy.{name}"
    folder = Path(str(scannerpy.__file__)).parent
    assert {path.stem for path in folder.glob("*.py")} >= MODULES
