"""What a kernel says of itself is read, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    ScannerException,
)
from beam_scanner.kernels import (
    Kernel,
    KernelConfig,
    read_spec,
    register_python_op,
    registry,
)
from beam_scanner.types import DeviceType, FrameType
from tests.support.plain_kernels import describe, listed, plain


def test_function_that_ignores_config_takes_no_arguments():
    def plain(config, text: bytes) -> bytes:
        return text

    def nested(config, text: bytes) -> bytes:
        return (lambda: config.args["k"])()

    assert not read_spec(plain).open_args
    assert read_spec(nested).open_args


def test_constructor_with_any_arguments():
    class Open(Kernel):
        def __init__(self, config, **options):
            super().__init__(config)
            self.options = options

        def execute(self, x: bytes) -> Any:
            return self.options

    spec = read_spec(Open)
    assert spec.open_args
    kernel = spec.instantiate(KernelConfig(), {"a": 1})
    assert spec.call(kernel, KernelConfig(), [b""]) == ({"a": 1},)


def test_batch_stencil_both_and_whole_stream():
    def batch(config, x: Sequence[bytes]) -> Sequence[bytes]:
        return x

    def window(config, x: Sequence[FrameType]) -> bytes:
        return b""

    def both(config, x: Sequence[Sequence[FrameType]]) -> Sequence[bytes]:
        return [b""]

    def two(
        config, x: Sequence[bytes], y: Sequence[FrameType]
    ) -> tuple[Sequence[bytes], Sequence[FrameType]]:
        return x, y

    assert describe(read_spec(batch, batch=4).inputs) == [("x", "Bytes")]
    assert describe(read_spec(window, stencil=[-1, 0]).inputs) == [("x", "FrameType")]
    spec = read_spec(both, stencil=range(-1, 2), batch=2, stencil_edge="null")
    assert (spec.stencil, spec.stencil_edge, spec.batch) == ((-1, 0, 1), "null", 2)
    assert describe(spec.inputs) == [("x", "FrameType")]
    whole = read_spec(two, whole_stream=True)
    assert whole.whole_stream
    assert describe(whole.outputs) == [("ret0", "Bytes"), ("ret1", "FrameType")]


class NoExecute(Kernel):
    pass


class NoConfig:
    def __init__(self, width):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class Starred(Kernel):
    def __init__(self, config, *args):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class OpenStream(Kernel):
    def new_stream(self, **args):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class Reserved(Kernel):
    def __init__(self, config, device):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class Twice(Kernel):
    def new_stream(self, x):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


def no_annotation(config, x) -> bytes:
    return b""


def no_return(config, x: bytes):
    return b""


def keywords(config, **xs: bytes) -> bytes:
    return b""


def positional(config, x: bytes, /) -> bytes:
    return b""


def starred_and_more(config, x: bytes, *xs: bytes) -> bytes:
    return b""


def wrong_variadic(config, *xs: tuple[bytes, bytes]) -> bytes:
    return b""


def no_inputs(config) -> bytes:
    return b""


def no_config() -> bytes:
    return b""


def ellipsis(config, x: bytes) -> tuple[bytes, ...]:
    return ()


def unregistered(config, x: set[int]) -> bytes:
    return b""


def unresolved(config, x: Missing) -> bytes:  # type: ignore[name-defined]  # noqa: F821
    return b""


def pairs(config, x: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
    return []


@pytest.mark.parametrize(
    ("kernel", "options", "kind", "message"),
    [
        (NoExecute, {}, ArgumentError, 'has no "execute" method'),
        (NoConfig, {}, ArgumentError, "first argument .* must be `config`"),
        (Starred, {}, ArgumentError, r"must name its arguments, got \*args"),
        (OpenStream, {}, ArgumentError, r"new_stream of op OpenStream must name"),
        (Reserved, {}, ArgumentError, "'device', which every op call takes"),
        (Twice, {}, ArgumentError, "two arguments named 'x'"),
        (no_annotation, {}, ElementTypeError, "No type annotation .* input x"),
        (no_return, {}, ElementTypeError, "Return annotation must be specified"),
        (keywords, {}, ArgumentError, r"\*\*kwargs are not supported"),
        (positional, {}, ArgumentError, "Positional-only arguments"),
        (starred_and_more, {}, ArgumentError, "not supported when used with other"),
        (wrong_variadic, {}, ElementTypeError, r"must be annotated T or Tuple\[T"),
        (no_inputs, {}, ArgumentError, "no_inputs has no inputs"),
        (no_config, {}, ArgumentError, "must take `config` first"),
        (ellipsis, {}, ElementTypeError, "Ellipsis tuples not supported"),
        (unregistered, {}, ElementTypeError, "has not been registered with Scanner"),
        (unresolved, {}, ElementTypeError, "'Missing' of input x .*NameError"),
        (plain, {"batch": 2}, ElementTypeError, 'A batched Op must specify a "Seq'),
        (listed, {"batch": 2}, ElementTypeError, r"annotated list\[bytes\]"),
        (pairs, {"batch": 2}, ElementTypeError, r"Write Tuple\[Sequence\[A\]"),
        (plain, {"stencil": [0]}, ElementTypeError, "A stenciled Op must specify"),
        (
            pairs,
            {"stencil": [0], "batch": 2},
            ElementTypeError,
            r"Sequence\[Sequence\[T\]\]",
        ),
        (plain, {"whole_stream": True}, ElementTypeError, "A whole-stream Op must"),
        (plain, {"stencil": []}, ArgumentError, "one or more row offsets"),
        (plain, {"stencil": [0.5]}, ArgumentError, "one or more row offsets"),
        (plain, {"stencil": 1}, ArgumentError, "one or more row offsets"),
        (plain, {"stencil_edge": "wrap"}, ArgumentError, "one of repeat, null, error"),
        (plain, {"batch": 0}, ArgumentError, "batch of op plain must be 1 or more"),
        (plain, {"batch": True}, ArgumentError, "batch of op plain must be 1 or more"),
        (plain, {"bounded_state": -1}, ArgumentError, "0 or more; got -1"),
        (plain, {"bounded_state": "3"}, ArgumentError, "0 or more; got '3'"),
        (
            plain,
            {"bounded_state": 1, "unbounded_state": True},
            ArgumentError,
            "cannot have both unbounded_state and bounded_state",
        ),
        (
            plain,
            {"whole_stream": True, "unbounded_state": True},
            ArgumentError,
            "takes the whole stream",
        ),
        (
            plain,
            {"whole_stream": True, "stencil": [0]},
            ArgumentError,
            "whole_stream and a stencil",
        ),
        (
            plain,
            {"device_type": DeviceType.CPU, "device_sets": [[DeviceType.CPU, 1]]},
            ArgumentError,
            'only specify one of "device_type" or "device_sets"',
        ),
        (plain, {"device_type": "GPU"}, ArgumentError, "Invalid device type 'GPU'"),
        (plain, {"device_sets": 3}, ArgumentError, "must be a list of .DeviceType, c"),
        (plain, {"name": 3}, ArgumentError, "name of an op must be a string, got 3"),
        (plain, {"batch": np.ones(2)}, ArgumentError, "batch of op plain must be 1"),
        (plain, {"device_sets": []}, ArgumentError, "device_sets of op plain is empty"),
        (3, {}, ArgumentError, "must be a class or a function, got int"),
    ],
)
def test_refused(kernel, options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        register_python_op(**options)(kernel)
    assert isinstance(caught.value, ScannerException)
    assert getattr(kernel, "__name__", "?") not in registry()
