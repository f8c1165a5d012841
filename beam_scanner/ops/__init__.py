"""The ops that ship: one op, or one family of ops, a module.

They are written as users write theirs: a module of this folder whose name does not
begin with an underscore, and that registers a kernel, is all that an op needs.
:func:`register_ops` gives them their names in ``sc.ops``; a user's op of one of these
names stands in its place, with a warning.
"""

from __future__ import annotations

import importlib
import pkgutil

from beam_scanner.kernels.register import op_spec, registered_ops


def register_ops() -> None:
    """Registers all ops of this package; again is harmless.

    Examples:
        >>> register_ops()
        >>> 'Histogram' in registered_ops()
        True
    """
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__name__}.{module.name}")


def shipped_ops() -> list[str]:
    """Names of the ops that this package registers, sorted.

    Examples:
        >>> shipped_ops()[:3]
        ['Blur', 'Brightness', 'Contrast']
    """
    register_ops()
    return [name for name in registered_ops() if op_spec(name).ships]


__all__ = ["register_ops", "shipped_ops"]
