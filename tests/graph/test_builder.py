from __future__ import annotations

import inspect
from typing import Any

import pytest

from beam_scanner import types
from beam_scanner.errors import (
    OpNotFoundError,
)
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
