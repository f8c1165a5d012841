"""Ops by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from beam_scanner.errors import GraphError, OpNotFoundError
from beam_scanner.kernels.op_spec import OpSpec
from beam_scanner.types.element_types import DeviceType


class Registry:
    """Ops by name.

    A second op of one name is an error. What may be registered again: a kernel of
    the same qualified name in ``__main__`` (a notebook's cell that was run once
    more), and one of a module that was loaded once more. A user's op that is named
    like one that ships stands in its place, whichever of them comes first.

    Examples:
        >>> from beam_scanner.kernels import read_spec
        >>> ops = Registry()
        >>> def Twice(config, x: bytes) -> bytes: return x + x
        >>> ops.add(read_spec(Twice))
        >>> ops.names(), 'Twice' in ops, ops.get('Twice').outputs[0].type_name
        (['Twice'], True, 'Bytes')
    """

    def __init__(self) -> None:
        self._specs: dict[str, dict[DeviceType, OpSpec]] = {}
        self._declared: dict[str, Callable[..., OpSpec]] = {}
        self._loads: dict[str, object] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        """All names that have a kernel, sorted."""
        return sorted(self._specs)

    def get(self, name: str, device: DeviceType | None = None) -> OpSpec:
        """The op of that name.

        Args:
            name: As registered.
            device: The kernel for this kind of device, if the op has several.

        Raises:
            OpNotFoundError: There is none, or it was declared and has no kernel.
        """
        kernels = self._specs.get(name)
        if kernels is None:
            why = (
                "was declared with register_op, but has no kernel: call "
                "register_python_kernel"
                if name in self._declared
                else "does not exist"
            )
            raise OpNotFoundError(f"Op {name} {why}")
        if device is not None and device in kernels:
            return kernels[device]
        return next(iter(kernels.values()))

    def devices(self, name: str) -> tuple[DeviceType, ...]:
        """Kinds of device that the op of that name can run on."""
        self.get(name)
        return tuple(self._specs[name])

    def check(self, spec: OpSpec) -> None:
        """Makes sure that an op can be added.

        Raises:
            GraphError: The name is taken.
        """
        if spec.name in self._declared and not spec.ships:
            raise GraphError(
                f"Attempted to re-register op {spec.name}, declared with register_op, "
                f"by {spec.owner}"
            )
        old = next(iter(self._specs.get(spec.name, {}).values()), None)
        if old is None or old.ships is not spec.ships:
            return
        if not self._may_replace(old, spec):
            raise GraphError(
                f"Attempted to register Op with name {spec.name} twice: by {old.owner} "
                f"and by {spec.owner}"
            )

    def add(self, spec: OpSpec) -> None:
        """Registers an op for each of its devices.

        Raises:
            GraphError: The name is taken.

        Warns:
            UserWarning: A user's op stands in the place of one that ships.
        """
        self.check(spec)
        users = spec.name in self._declared or spec.name in self._specs
        if spec.ships and users and not self._ships(spec.name):
            _warn_of(spec.name)
            return
        if not spec.ships:
            self._make_way(spec.name)
        self._specs[spec.name] = dict.fromkeys(spec.devices, spec)
        self._loads[spec.name] = _load_of(spec)

    def _ships(self, name: str) -> bool:
        return any(spec.ships for spec in self._specs.get(name, {}).values())

    def _make_way(self, name: str) -> None:
        """Forgets an op that ships, for a user's of its name."""
        if self._ships(name):
            _warn_of(name)
            del self._specs[name]

    def _may_replace(self, old: OpSpec, new: OpSpec) -> bool:
        if old.owner != new.owner:
            return False
        if new.kernel.__module__ == "__main__":
            return True
        return self._loads[old.name] is not _load_of(new)

    def declare(self, name: str, make: Callable[..., OpSpec]) -> None:
        """Registers an op without a kernel.

        Args:
            name: Of the op.
            make: Makes its spec from a kernel, a device and a batch size.

        Raises:
            GraphError: The name is taken.

        Warns:
            UserWarning: As ``add``.
        """
        self._make_way(name)
        if name in self._specs or name in self._declared:
            raise GraphError(f"Attempted to re-register op {name}")
        self._declared[name] = make

    def add_kernel(
        self, name: str, device: DeviceType, kernel: Any, batch: int = 1
    ) -> None:
        """Gives a declared op its kernel for one kind of device.

        Raises:
            OpNotFoundError: No op of that name was declared.
            GraphError: It has a kernel for that device.
        """
        if name not in self._declared:
            raise OpNotFoundError(
                f"Op {name} does not exist: declare it with register_op before "
                "register_python_kernel"
            )
        kernels = self._specs.setdefault(name, {})
        if device in kernels:
            raise GraphError(
                f"Attempted to re-register kernel of op {name} for {device.name}, "
                f"which {kernels[device].owner} is"
            )
        kernels[device] = self._declared[name](kernel, device, batch)

    def remove(self, name: str) -> None:
        """Forgets an op; graphs that use it are not changed."""
        self._specs.pop(name, None)
        self._declared.pop(name, None)


def _warn_of(name: str) -> None:
    warnings.warn(
        f"your op {name} stands in the place of the one that beam_scanner ships; "
        "register_python_op(name=...) gives it a name of its own",
        stacklevel=5,
    )


def _load_of(spec: OpSpec) -> object:
    """Differs each time that the kernel's module, or native library, is loaded."""
    if spec.native:
        return spec.kernel.library
    own = vars(spec.kernel).values() if spec.is_class else [spec.kernel]
    functions = [f for f in own if isinstance(f, FunctionType)]
    return functions[0].__globals__.get("__spec__") if functions else None
