"""One row in a registry, or one file of a kernel, is seen wherever users look."""

from __future__ import annotations

import importlib.util
import inspect
import pydoc
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

import beam_scanner
from beam_scanner import ops, transforms
from beam_scanner.cli.args import ops_help
from beam_scanner.cli.ops_language import build_ops, check_ops, parse_ops
from beam_scanner.errors import ArgumentError, OpNotFoundError
from beam_scanner.graph.builder import OpGenerator, StreamsGenerator, TaskPartitioner
from beam_scanner.graph.nodes import Node, OpColumn, SampleNode, SliceList
from beam_scanner.kernels import registry
from beam_scanner.rows.row_maps import Layout, RowMap
from beam_scanner.rows.samplers import (
    PARTITIONS,
    SAMPLERS,
    Intervals,
    Partition,
    Sampler,
    partition,
    sampler,
)
from beam_scanner.transforms.sample import Slice
from beam_scanner.yaml import transforms as yaml_transforms

ROOT = Path(__file__).parent.parent


def _reference() -> Any:
    spec = importlib.util.spec_from_file_location(
        "reference_script", ROOT / "scripts" / "reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _reference()


@pytest.mark.parametrize("file", sorted(reference.generated()))
def test_what_is_written_from_the_registries_is_up_to_date(file: str) -> None:
    assert (ROOT / file).read_text() == reference.generated()[file], (
        f"run `python scripts/reference.py`, which writes {file}"
    )


@dataclass(frozen=True)
class Head(Sampler):
    """The first rows of each stream.

    Args:
        rows: How many.
        skipped: Ranges of rows that do not count.
    """

    rows: int
    skipped: Intervals = ()

    def row_map(self, rows: int, where: str) -> RowMap:
        if self.rows > rows:
            raise ArgumentError(f"{where}: it has {rows} rows")
        return RowMap.identity(self.rows)


@dataclass(frozen=True)
class Halves(Partition):
    """Two groups.

    Args:
        size: Rows of the first.
    """

    size: int = 2

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        return RowMap.identity(rows), Layout.of_lengths([self.size, rows - self.size])


@pytest.fixture
def head() -> Iterator[None]:
    sampler("Head", "heads")(Head)
    partition("halves")(Halves)
    try:
        yield
    finally:
        del SAMPLERS["Head"], PARTITIONS["halves"]


def sampled(column: OpColumn) -> Any:
    assert isinstance(column.node, SampleNode)
    return column.node.samplers


@pytest.mark.usefixtures("head")
def test_a_new_sampler_is_a_method_of_the_client() -> None:
    streams, column = StreamsGenerator(), OpColumn(Node())
    assert "Head" in dir(streams)
    assert list(inspect.signature(streams.Head).parameters) == ["input", "heads"]
    assert "The first rows of each stream." in streams.Head.__doc__
    for call in (
        streams.Head(column, [(3, [(0, 1)])]),
        streams.Head(input=column, heads=[{"rows": 3, "skipped": [[0, 1]]}]),
    ):
        assert sampled(call) == (Head(3, ((0, 1),)),)
        assert call.node.label == "Head"
    with pytest.raises(
        ArgumentError, match=r"heads\[0\] of Head must be \(rows, skipped"
    ):
        streams.Head(column, [3])
    with pytest.raises(TypeError, match=r"missing .*'heads'; Head takes \(input, head"):
        streams.Head(column)


@pytest.mark.usefixtures("head")
def test_a_new_sampler_is_a_transform() -> None:
    found: Any = transforms.Head
    assert found is transforms.Head
    assert issubclass(found, beam.PTransform)
    assert list(inspect.signature(found).parameters) == ["rows", "skipped"]
    assert "rows: How many." in found.__doc__
    assert found(3, skipped=[(0, 1)]).label == "Head"
    assert found(rows=SliceList([3, 4])).label == "Head"
    assert "Head" in dir(transforms)
    with pytest.raises(ArgumentError, match=r"rows of heads\[0\] of Head must be a w"):
        found("3")
    with pytest.raises(TypeError, match=r"Head takes \(rows, skipped\)"):
        found(row=3)


@pytest.mark.usefixtures("head")
def test_a_new_sampler_is_in_the_commands_language() -> None:
    assert "Head" in ops_help()
    check_ops(parse_ops("Slice(halves(size=3)) | Head(3) | Unslice()"))
    column = build_ops(
        _Client(), OpColumn(Node()), parse_ops("Head(3, skipped=[(0, 1)])"), 2
    )
    assert sampled(column) == (Head(3, ((0, 1),)),) * 2
    with pytest.raises(ArgumentError, match=r"Head takes \(rows, skipped\)"):
        check_ops(parse_ops("Head()"))
    with pytest.raises(ArgumentError, match=r"Slice takes one of .*halves\(size\)"):
        check_ops(parse_ops("Slice(3)"))


class _Client:
    ops, streams, partitioner = OpGenerator(), StreamsGenerator(), TaskPartitioner()


@pytest.mark.usefixtures("head")
def test_a_new_sampler_is_in_yaml_and_on_the_page() -> None:
    assert yaml_transforms.Head(rows=3).label == "Head"
    assert yaml_transforms.Slice("halves", {"size": 3}).label == "Slice"
    files = reference.generated()
    assert "Head: beam_scanner.yaml.transforms.Head" in files[_PROVIDERS]
    assert "| `rows` | int |  | How many. |" in files["docs/ops.md"]
    assert "class Head(Sample):" in files["beam_scanner/transforms/signatures.pyi"]
    assert "def Head(" in files["beam_scanner/graph/signatures.pyi"]


_PROVIDERS = "beam_scanner/yaml/providers.yaml"


def test_a_new_way_to_slice(head: None) -> None:
    partitioner = TaskPartitioner()
    assert "halves" in dir(partitioner)
    assert partitioner.halves() == Halves(2)
    assert partitioner.halves(size=3) == Halves(3)
    assert Slice(partitioner.halves()).label == "Slice"
    with pytest.raises(ArgumentError, match="size of a partitioner must be a whole"):
        partitioner.halves("3")
    with pytest.raises(TypeError, match=r"halves takes \(size\)"):
        partitioner.halves(sizes=3)


KERNEL = '''
from beam_scanner.kernels.kernel import Kernel
from beam_scanner.kernels.register import register_python_op
from beam_scanner.types.element_types import FrameType

@register_python_op(stencil=[0])
class Shrink(Kernel):
    """Leaves samples out.

    Args:
        config: The kernel's configuration.
        by: One of so many stays.
    """

    def __init__(self, config, by: int = 2) -> None:
        super().__init__(config)
        self.by = by

    def new_stream(self, offset: int) -> None:
        """Sets the offset.

        Args:
            offset: Where to begin.
        """
        self.offset = offset

    def execute(self, frame: "FrameType") -> FrameType:
        return frame[:: self.by]
'''


@pytest.fixture
def shrink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The ops that ship and one more, in a file of its own."""
    kernel = KERNEL.replace('frame: "FrameType"', "frame: Sequence[FrameType]")
    kernel = kernel.replace("return frame[::", "return frame[0][::")
    (tmp_path / "shrink.py").write_text(
        f"from collections.abc import Sequence\n{kernel}"
    )
    monkeypatch.setattr(ops, "__path__", [*ops.__path__, str(tmp_path)])
    ops.register_ops()
    try:
        yield
    finally:
        registry().remove("Shrink")
        del sys.modules["beam_scanner.ops.shrink"]


@pytest.mark.usefixtures("shrink")
def test_a_new_op_is_a_file() -> None:
    op = OpGenerator().Shrink
    assert list(inspect.signature(op).parameters) == [
        *("frame", "by", "offset"),
        *("device", "stencil", "stencil_edge", "on_error"),
    ]
    assert "by: One of so many stays." in op.__doc__
    assert "offset: Where to begin." in op.__doc__
    assert "config" not in op.__doc__
    found: Any = transforms.Shrink
    assert found is transforms.Shrink
    assert list(inspect.signature(found).parameters)[:2] == ["by", "offset"]
    assert found(by=3, offset=1).label == "Shrink"
    assert found.__doc__ == op.__doc__
    assert {"Shrink"} <= {*dir(transforms), *dir(OpGenerator())}
    check_ops(parse_ops("Stride(2) | Shrink(by=3, offset=1)"))
    with pytest.raises(ArgumentError, match="No arguments provided to op `Shrink`"):
        check_ops(parse_ops("Shrink()"))
    assert yaml_transforms.Shrink(offset=1).label == "Shrink"
    files = reference.generated()
    assert "Shrink: beam_scanner.yaml.transforms.Shrink" in files[_PROVIDERS]
    assert "| `offset` | int, per stream |  | Where to begin. |" in files["docs/ops.md"]
    assert "class Shrink(Op):" in files["beam_scanner/transforms/signatures.pyi"]
    assert "def Shrink(" in files["beam_scanner/graph/signatures.pyi"]


PROGRAM = """
from beam_scanner import Client
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.transforms import Resize, Stride

Stride(8)
Stride("8")  # line 7
Resize(width=320, heigth=180)  # line 8


def graph(sc: Client, frames: OpColumn) -> OpColumn:
    sc.streams.Stride(frames)  # line 12
    sc.partitioner.all("50")  # line 13
    sc.ops.Resize(frame=frames, width="320", height=[180])  # line 14
    sc.ops.OfAUsersOwn(frame=frames, any=1)
    some = sc.streams.Stride(sc.streams.Stride(frames, [8]), 2)
    return sc.ops.Resize(frame=some, width=320, height=[180])
"""


@pytest.mark.slow
def test_type_checkers_see_the_arguments(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    (tmp_path / "program.py").write_text(PROGRAM)
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"]
    printed, errors, _ = api.run([*config, str(tmp_path / "program.py")])
    assert errors == ""
    found = [line for line in printed.splitlines() if ": error: " in line]
    lines = [int(line.split("program.py:")[1].split(":")[0]) for line in found]
    assert lines == [7, 8, 12, 13, 14], printed


def test_help_shows_all_arguments() -> None:
    for thing in OpGenerator().Resize, transforms.Resize, yaml_transforms.Resize:
        text = pydoc.plain(pydoc.render_doc(thing))
        head = text.partition("Args:")[0]
        for name in ("width", "height", "min", "preserve_aspect", "interpolation"):
            assert f"{name}: " in head, text
        assert "In pixels; 0 to follow" in text
    text = pydoc.plain(pydoc.render_doc(StreamsGenerator().Stride))
    assert "strides: " in text


def test_completion_has_names_of_the_package_alone() -> None:
    for module in transforms, beam_scanner:
        assert not {"Any", "Sequence", "Callable"} & {*module.__all__}
    assert "Any" not in dir(transforms)
    assert {"Resize", "Stride"} <= {*dir(transforms)}
    assert "Resize" in dir(OpGenerator())
    assert "Stride" in dir(StreamsGenerator())


def test_what_is_not_registered_is_nowhere() -> None:
    for module in transforms, yaml_transforms:
        with pytest.raises(AttributeError, match="has no attribute 'Shrink'"):
            module.Shrink  # noqa: B018
    for generator in OpGenerator(), StreamsGenerator():
        with pytest.raises(OpNotFoundError):
            generator.Head  # noqa: B018
