"""The arguments of one call of an op: which are columns, options, and the kernel's."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from typing import Any

from beam_scanner.errors import ArgumentError, did_you_mean
from beam_scanner.graph.nodes import OpColumn, OpNode, SliceList
from beam_scanner.graph.sampler_methods import (
    column_of,
    is_one_value,
    not_for_streams,
)
from beam_scanner.graph.validate import facts
from beam_scanner.kernels.op_registry import Registry
from beam_scanner.kernels.op_spec import OpForCall, Port
from beam_scanner.kernels.register import (
    check_edge,
    check_stencil,
    means_whole_stream,
)
from beam_scanner.kernels.signature import RESERVED
from beam_scanner.rows.whole_numbers import whole_number
from beam_scanner.types.element_types import DeviceType

_OF_FUNCTIONS = (
    "; parameters of a function are columns: it finds other values, given by other "
    "names, in config.args, and a class takes them in __init__"
)


class OpCall:
    """Sorts the arguments of one op call; those that are used are taken from ``kwargs``."""

    def __init__(self, ops: Registry, name: str, kwargs: dict[str, Any]) -> None:
        self.name = name
        self.kwargs = kwargs
        self.given: dict[str, Any] = {}
        self.device = self._device(ops, kwargs.pop("device", None))
        self.spec = ops.get(name, self.device)
        self.params = {
            p.name for p in (*self.spec.init_params, *self.spec.stream_params)
        }
        own = self.params | {port.name for port in self.spec.inputs}
        # Scanner's programs may pass these two; a kernel may use the names itself.
        if "extra" not in own:
            kwargs.pop("extra", None)
        self.args = None if "args" in own else kwargs.pop("args", None)

    def _device(self, ops: Registry, wanted: Any) -> DeviceType:
        devices = ops.devices(self.name)
        if wanted is None:
            return DeviceType.CPU if DeviceType.CPU in devices else devices[0]
        if not isinstance(wanted, DeviceType):
            raise ArgumentError(
                f"Invalid device type {wanted!r} for op {self.name}; use DeviceType.CPU "
                "or DeviceType.GPU"
            )
        if wanted not in devices:
            raise ArgumentError(
                f"Op {self.name} requested kernel with device type {wanted.name} but no "
                f"such kernel exists; it has one for "
                f"{', '.join(device.name for device in devices)}"
            )
        return wanted

    def node(self, args: tuple[Any, ...]) -> OpNode:
        """The node of this call, whose positional arguments are ``args``."""
        given = {n: self.kwargs.pop(n) for n in RESERVED if n in self.kwargs}
        columns = self._columns(args)
        stream_args = self._stream_args(columns)
        # The rest are arguments of the constructor.
        types = tuple(column.type for column in columns)
        call = OpForCall(types, self._init_args(), given, self.spec)
        call = self.spec.for_call(call)
        self.spec, self.given = call.spec, dict(call.options)
        options = self._options()
        return OpNode(self.spec, columns, call.init_args, stream_args, **options)

    def _options(self) -> dict[str, Any]:
        """The arguments that every op call understands; see ``OpNode``."""
        edge = self.given.pop("stencil_edge", None)
        if edge is None:
            edge = self.spec.stencil_edge
        elif self.spec.stencil is None:
            raise ArgumentError(
                f"Op {self.name} specified stencil_edge but that Op was not declared to "
                "support stenciling"
            )
        check_edge(self.name, edge)
        return {
            "device": self.device,
            "batch": self._batch(),
            "stencil": self._stencil(),
            "stencil_edge": edge,
            "bounded_state": self._bounded(),
            "on_error": self._on_error(),
        }

    def _on_error(self) -> str:
        on_error = self.given.pop("on_error", "fail")
        if on_error not in ("fail", "null"):
            raise ArgumentError(
                f"on_error of op {self.name} must be 'fail' or 'null', got {on_error!r}"
            )
        return str(on_error)

    def _batch(self) -> int:
        batch = whole_number(self.given.pop("batch", -1), f"batch of op {self.name}")
        if batch == -1:
            return self.spec.batch
        if batch < 1:
            raise ArgumentError(
                f"batch of op {self.name} must be 1 or more, got {batch}"
            )
        can_batch = self.spec.batch > 1 or self.spec.whole_stream
        if can_batch and means_whole_stream(self.name, batch):
            self.spec = self.spec.over_whole_streams()
            return 1
        if batch > 1 and self.spec.batch == 1:
            if self.spec.ships and not self.spec.whole_stream:
                # Scanner's ops of these names have batches, which change no result.
                warnings.warn(
                    f"op {self.name} takes rows one at a time: batch={batch} is ignored",
                    stacklevel=5,
                )
                return 1
            raise ArgumentError(
                f"Op {self.name} specified a batch size but the Kernel for that Op was "
                "not declared to support batching; add batch=... to its registration"
            )
        return batch

    def _stencil(self) -> tuple[int, ...] | None:
        stencil = self.given.pop("stencil", None)
        if stencil is None or (isinstance(stencil, (list, tuple)) and not stencil):
            return self.spec.stencil
        if self.spec.stencil is None:
            raise ArgumentError(
                f"Op {self.name} specified stencil but that Op was not declared to "
                "support stenciling; add stencil=[0] to its registration"
            )
        return check_stencil(self.name, stencil)

    def _bounded(self) -> int | None:
        what = f"bounded_state of op {self.name}"
        rows = whole_number(self.given.pop("bounded_state", -1), what)
        if rows == -1:
            return self.spec.bounded_state
        if self.spec.bounded_state is None:
            raise ArgumentError(
                f"Op {self.name} specified bounded_state but that Op was not declared to "
                "have bounded state; add bounded_state=... to its registration"
            )
        if rows < 0:
            raise ArgumentError(f"{what} must be 0 or more, got {rows}")
        return rows

    def _columns(self, args: tuple[Any, ...]) -> tuple[OpColumn, ...]:
        """The input columns, in the op's order."""
        given = self._variadic(args) if self.spec.variadic else self._named(args)
        hint = "" if self.spec.is_class else _OF_FUNCTIONS
        op = f"op {self.name}"
        return tuple(
            column_of(value, op, f"input {port.name}", hint) for port, value in given
        )

    def _variadic(self, args: tuple[Any, ...]) -> list[tuple[Port, Any]]:
        port = self.spec.inputs[0]
        if port.name in self.kwargs:
            raise ArgumentError(
                f"op {self.name} takes its inputs by position: "
                f"sc.ops.{self.name}(a, b, ...), not {port.name}=..."
            )
        if not args:
            raise ArgumentError(f"Op {self.name} required one or more inputs")
        return [(port, value) for value in args]

    def _named(self, args: tuple[Any, ...]) -> list[tuple[Port, Any]]:
        ports = self.spec.inputs
        names = ", ".join(port.name for port in ports)
        if len(args) > len(ports):
            raise ArgumentError(
                f"Op {self.name} expects {len(ports)} input columns ({names}), but "
                f"received {len(args)}"
            )
        given = []
        for index, port in enumerate(ports):
            value = self.kwargs.pop(port.name, None)
            if index < len(args):
                if value is not None:
                    raise ArgumentError(
                        f"op {self.name} got input {port.name} twice, by position and "
                        "by name"
                    )
                value = args[index]
            if value is None:
                unknown = sorted(set(self.kwargs) - self.params - set(RESERVED))
                near = difflib.get_close_matches(port.name, unknown, n=1)
                raise ArgumentError(
                    f"Op {self.name} required sequence {port.name} as input"
                    + (f"; is {near[0]!r} misspelt?" if near else "")
                )
            given.append((port, value))
        return given

    def _stream_args(self, columns: tuple[OpColumn, ...]) -> dict[str, tuple[Any, ...]]:
        """The per-stream arguments, each with as many values as there are streams."""
        params = self.spec.stream_params
        given = {
            p.name: self.kwargs.pop(p.name) for p in params if p.name in self.kwargs
        }
        missing = [p.name for p in params if p.required and p.name not in given]
        if missing and not given:
            raise ArgumentError(
                f"No arguments provided to op `{self.name}` for stream parameters "
                f"{', '.join(missing)}."
            )
        if missing:
            raise ArgumentError(
                f"op {self.name} needs the per-stream argument {missing[0]}"
            )
        known = (facts(column.node).jobs for column in columns)
        jobs = next((count for count in known if count is not None), 1)
        found: dict[str, tuple[Any, ...]] = {}
        for name, values in given.items():
            if is_one_value(values):
                found[name] = (values,) * jobs
            elif isinstance(values, list) and not isinstance(values, SliceList):
                found[name] = tuple(values)
            else:
                raise not_for_streams(self.name, name, values)
        return found

    def _init_args(self) -> dict[str, Any]:
        given = self.kwargs
        if self.args is not None:
            if not isinstance(self.args, Mapping) or not all(
                isinstance(name, str) for name in self.args
            ):
                raise ArgumentError(
                    f"args of op {self.name} must be a dict of init arguments, got "
                    f"{self.args!r}"
                )
            twice = sorted(set(given) & set(self.args))
            if twice:
                raise ArgumentError(
                    f"op {self.name} got argument {twice[0]!r} twice, also in args"
                )
            given = {**self.args, **given}
        params = self.spec.init_params
        unknown = sorted(set(given) - {param.name for param in params})
        if unknown and not self.spec.open_args:
            takes = [port.name for port in self.spec.inputs]
            takes += [p.name for p in (*params, *self.spec.stream_params)]
            raise ArgumentError(
                f"op {self.name} has no argument {unknown[0]!r}"
                + (did_you_mean(unknown[0], [*takes, *RESERVED]) or ".")
                + f" It takes {', '.join(takes)}"
            )
        for param in params:
            if param.required and param.name not in given:
                raise ArgumentError(f"op {self.name} needs the argument {param.name!r}")
        return dict(given)
