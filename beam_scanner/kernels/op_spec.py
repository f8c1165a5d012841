"""An op once its kernel is registered: inputs, outputs, parameters, attributes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from beam_scanner.errors import ArgumentError, KernelError
from beam_scanner.kernels.digests.digest import Digest, code_digest, digest
from beam_scanner.types.element_types import ColumnType, DeviceType
from beam_scanner.types.type_info import ScannerTypeInfo


@dataclass(frozen=True)
class Port:
    """One input or output of a kernel.

    Attributes:
        name: Of the parameter; outputs are called ``ret0``, ``ret1``, ...
        type: Of its elements; None for frames.
        library: As whose arrays an input takes frames, as 'torch'; '' for NumPy.
    """

    name: str
    type: ScannerTypeInfo | None
    library: str = ""

    @property
    def column_type(self) -> ColumnType:
        """Video for frames, Blob for everything else."""
        return ColumnType.Video if self.type is None else ColumnType.Blob

    @property
    def type_name(self) -> str:
        """The name of the type."""
        return "FrameType" if self.type is None else self.type.name

    @property
    def type_label(self) -> str:
        """What people call the type."""
        return "FrameType" if self.type is None else self.type.label


@dataclass(frozen=True)
class Param:
    """One parameter of a kernel's constructor or of its ``new_stream``.

    Attributes:
        name: Of the parameter.
        required: Whether it has no default.
        default: Its default; None if it is required.
        annotation: As it was written, where it is a built-in class or a string.
    """

    name: str
    required: bool = True
    default: Any = None
    annotation: str = field(default="", compare=False)


@dataclass(frozen=True, eq=False)
class OpSpec:
    """An op as it was registered; travels in the graph, kernel included.

    Attributes:
        name: What ``sc.ops`` calls it.
        kernel: The class, or function, that was decorated.
        inputs: One for each input; a single one, for all, if ``variadic``.
        outputs: One for each output.
        variadic: Whether it takes any number of inputs, one or more.
        stencil: Offsets that each row sees unless a call says otherwise; None for
            a kernel that takes single rows.
        stencil_edge: 'repeat', 'null' or 'error': see ``graph.OpNode``.
        batch: Most rows a call; above 1 the kernel takes and gives sequences.
        bounded_state: Rows of warm-up; None if it keeps no such state.
        unbounded_state: Whether each row depends on all rows before it.
        whole_stream: Whether it takes all rows of a slice group in one call.
        devices: Kinds of device that it can run on; the first is the default.
        version: The user's own mark of what the kernel does; '' if there is none.
        takes_nulls: Whether it is called on null elements.
        init_params: Of the constructor, without ``config``.
        stream_params: Of ``new_stream``.
        open_args: Whether arguments beside ``init_params`` are taken; they are
            found in ``config.args``.
        returns_tuple: Whether a call returns a tuple of outputs, not the output.
        raw: Whether ``execute`` takes the list of its columns, as kernels given to
            ``register_python_kernel`` do, and returns a tuple.
        native: Whether it is of a native library: it takes and gives elements that are
            not frames as bytes, and keeps none of the frames that it gives.
        across_groups: Whether a batch may hold rows of several slice groups, since the
            kernel has nothing that differs from group to group.
        note: What plans and profiles say of it, which changes no result: its model, and
            how many copies of it are loaded.
    """

    name: str
    kernel: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    variadic: bool = False
    stencil: tuple[int, ...] | None = None
    stencil_edge: str = "repeat"
    batch: int = 1
    bounded_state: int | None = None
    unbounded_state: bool = False
    whole_stream: bool = False
    devices: tuple[DeviceType, ...] = (DeviceType.CPU,)
    version: str = ""
    takes_nulls: bool = False
    init_params: tuple[Param, ...] = ()
    stream_params: tuple[Param, ...] = ()
    open_args: bool = False
    returns_tuple: bool = False
    raw: bool = False
    native: bool = False
    across_groups: bool = False
    note: str = ""

    @property
    def is_class(self) -> bool:
        """Whether the kernel is a class, not a function."""
        return isinstance(self.kernel, type)

    @property
    def ships(self) -> bool:
        """Whether it is an op of this package."""
        return str(self.kernel.__module__).startswith("beam_scanner.ops.")

    @property
    def owner(self) -> str:
        """Module and qualified name of the kernel, for errors."""
        return f"{self.kernel.__module__}.{self.kernel.__qualname__}"

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that stand for what the op does at this moment.

        Covers the name, the version, all attributes, and the kernel with all that it
        uses outside installed packages, by content: see ``code_digest``. Equal in
        every process of one environment, where it was pickled and where it was loaded.
        """
        return self.read().text

    def over_whole_streams(self) -> OpSpec:
        """The same op, given all rows of a stream at once.

        Its state is then its own affair. Stencils are not for whole streams.

        Raises:
            ArgumentError: It has a stencil.
        """
        if self.stencil is not None:
            raise ArgumentError(
                f"op {self.name} cannot have whole_stream and a stencil"
            )
        return replace(
            self,
            whole_stream=True,
            batch=1,
            unbounded_state=False,
            bounded_state=None,
        )

    def read(self) -> Digest:
        """The digest, and the objects of the kernel of which only the type counts."""
        types = [port.type for port in (*self.inputs, *self.outputs) if port.type]
        params = self.init_params + self.stream_params
        code = digest(
            [
                (f"the kernel of op {self.name}", self.kernel),
                ("", tuple((t.name, t.serialize, t.deserialize) for t in types)),
                ("", tuple((p.name, p.default) for p in params)),
            ],
            home=self.kernel.__module__,
        )
        both = json.dumps([code.text, *self._attributes()])
        return Digest(code_digest(both, home=""), code.opaque)

    def _attributes(self) -> list[Any]:
        ports = [
            [(port.name, port.type_name) for port in side]
            for side in (self.inputs, self.outputs)
        ]
        more = ["across groups"] if self.across_groups else []
        return [
            *more,
            self.name,
            self.version,
            ports,
            [self.variadic, self.takes_nulls, self.returns_tuple, self.raw],
            [self.stencil, self.stencil_edge, self.batch],
            [self.bounded_state, self.unbounded_state, self.whole_stream],
            [int(device) for device in self.devices],
        ]

    def instantiate(self, config: Any, init_args: dict[str, Any]) -> Any:
        """An instance of the kernel; for a function, the function.

        Args:
            config: The kernel's ``KernelConfig``.
            init_args: Keyword arguments of the constructor.
        """
        if not self.is_class:
            return self.kernel
        named = {param.name for param in self.init_params}
        if self.open_args and not self._takes_any:
            init_args = {k: v for k, v in init_args.items() if k in named}
        if self.kernel.__init__ is object.__init__:
            return self.kernel()
        return self.kernel(config, **init_args)

    @property
    def _takes_any(self) -> bool:
        code = getattr(self.kernel.__init__, "__code__", None)
        return bool(code is not None and code.co_flags & 0x08)  # has **kwargs

    def for_call(self, call: OpForCall) -> OpForCall:
        """The op as one call of it has it.

        Types and the batch of some ops follow from their arguments. Their kernel has a
        static method ``op_for_call(call)`` that says how.
        """
        adapt = getattr(self.kernel, "op_for_call", None) if self.is_class else None
        return call if adapt is None else cast("OpForCall", adapt(call))

    @property
    def first_argument(self) -> str:
        """The argument that a transform also takes without a name; '' if none."""
        return str(getattr(self.kernel, "first_argument", ""))

    def call(self, kernel: Any, config: Any, values: Sequence[Any]) -> tuple[Any, ...]:
        """Calls the kernel once.

        Args:
            kernel: What ``instantiate`` returned.
            config: The kernel's ``KernelConfig``.
            values: One for each input: the element, or a sequence of elements
                where the op has a stencil, a batch or takes the whole stream.

        Returns:
            One value for each output; with a batch or a whole stream a sequence.

        Raises:
            KernelError: The kernel returned another number of outputs.
        """
        execute = kernel.execute if self.is_class else _with_config(kernel, config)
        if self.raw:
            result = execute(list(values))
        elif self.variadic:
            result = execute(*values)
        else:
            names = [port.name for port in self.inputs]
            result = execute(**dict(zip(names, values, strict=True)))
        if not self.returns_tuple:
            return (result,)
        if not isinstance(result, (tuple, list)) or len(result) != len(self.outputs):
            shown = len(result) if isinstance(result, (tuple, list)) else repr(result)
            raise KernelError(
                f"op {self.name} must return a tuple of {len(self.outputs)} "
                f"output columns, got {shown}"
            )
        return tuple(result)


@dataclass(frozen=True, eq=False)
class OpForCall:
    """An op, and what one call of it gives.

    Attributes:
        types: Of its input columns; None for frames.
        init_args: Of the kernel.
        options: ``batch``, ``stencil`` and others that every op call understands, where
            the call gives them.
        spec: The op.
    """

    types: tuple[ScannerTypeInfo | None, ...]
    init_args: dict[str, Any]
    options: dict[str, Any]
    spec: OpSpec


def _with_config(function: Any, config: Any) -> Any:
    def execute(*args: Any, **kwargs: Any) -> Any:
        return function(config, *args, **kwargs)

    return execute
