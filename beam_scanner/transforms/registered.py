"""The transforms of samplers and of registered ops, by name."""

from __future__ import annotations

from beam_scanner.kernels.register import registry
from beam_scanner.ops import register_ops, shipped_ops
from beam_scanner.rows.samplers import SAMPLERS
from beam_scanner.transforms.apply_op import op
from beam_scanner.transforms.sample import sampler_transform
from beam_scanner.transforms.stream_transform import GraphTransform


def transform_named(name: str) -> type[GraphTransform] | None:
    """The transform of a sampler or an op, with its arguments and documentation.

    Examples:
        >>> transform_named('Stride')(8).label, transform_named('Nope')
        ('Stride', None)
    """
    if name in SAMPLERS:
        return sampler_transform(SAMPLERS[name])
    register_ops()
    return op(name) if name in registry() else None


def names() -> list[str]:
    """Samplers and the ops of this package, sorted."""
    return sorted([*SAMPLERS, *shipped_ops()])
