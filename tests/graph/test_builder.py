from __future__ import annotations

import inspect
from typing import Any

import pytest

from beam_scanner import types
from beam_scanner.errors import ElementTypeError, OpNotFoundError
from beam_scanner.graph.builder import IOGenerator
from beam_scanner.graph.nodes import InputNode
from beam_scanner.storage import PythonStream, StoredStream
from beam_scanner.types import Histogram
from tests.support.graph_parts import (
    blobs,
)


def test_open_types_take_all_blobs(ops):
    for column in (blobs(), blobs(type=Any), blobs(type=Histogram)):
        ops.Pass(x=column)
    ops.Numbers(x=blobs())
    ops.Numbers(x=blobs(type=types.NumpyArrayFloat32))


def test_help_shows_the_arguments(ops):
    assert {"Pass", "Join"} <= set(dir(ops))
    signature = inspect.signature(ops.Scaled)
    assert list(signature.parameters)[:3] == ["x", "scale", "offset"]
    assert "Scaled" in repr(ops.Scaled)


def test_unknown_op_at_attribute_access(ops):
    with pytest.raises(OpNotFoundError, match=r"Op Nope does not exist$"):
        ops.Nope  # noqa: B018
    with pytest.raises(OpNotFoundError, match="did you mean Scaled"):
        ops.scaled  # noqa: B018
    assert not hasattr(ops, "_repr_html_")


class Kept(StoredStream):
    def __init__(self, kept: Any) -> None:
        self.kept = kept

    def storage(self) -> Any:
        return self.kept


@pytest.mark.parametrize("kept", [None, "/a/folder"])
def test_a_storage_is_a_backend(kept: Any) -> None:
    io = IOGenerator()
    found = r"storage\(\) of a Kept must return a StorageBackend, .* got .*no source"
    with pytest.raises(ElementTypeError, match=found):
        io.Input([Kept(kept)])
    with pytest.raises(ElementTypeError, match="which has no sink"):
        io.Output(blobs(), [Kept(kept)])


def test_a_backend_may_be_of_any_class() -> None:
    class Duck:
        def source(self, sc: Any, streams: Any) -> Any:
            return IOGenerator(sc).Input([PythonStream([1, 2])])

    node = IOGenerator().Input([Kept(Duck())]).node
    assert isinstance(node, InputNode)
    assert list(node.streams[0].load()) == [1, 2]
