"""The ops that ship: one op, or one family of ops, a module.

They are written as users write theirs. :func:`register_ops` gives them their names in
``sc.ops``; a user's op of one of these names is the registry's error, and takes
another with ``register_python_op(name=...)``.
"""

from __future__ import annotations

import importlib

_MODULES = (
    "basic",
    "blur",
    "color",
    "difference",
    "draw",
    "flow",
    "histogram",
    "images",
    "montage",
    "resize",
    "shot_boundaries",
)


def register_ops() -> None:
    """Registers all ops of this package; again is harmless.

    Example:
        >>> from beam_scanner.kernels.register import registered_ops
        >>> register_ops()
        >>> 'Histogram' in registered_ops()
        True
    """
    for module in _MODULES:
        importlib.import_module(f"{__name__}.{module}")


__all__ = ["register_ops"]
