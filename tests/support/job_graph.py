"""What crosses from one stage of a pipeline to the next, read from its proto."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from apache_beam.coders import Coder
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.pipeline_context import PipelineContext
from apache_beam.typehints import typehints

_GROUPS = {
    common_urns.primitives.GROUP_BY_KEY.urn,
    common_urns.composites.RESHUFFLE.urn,
}


@dataclass(frozen=True)
class Crossing:
    """A PCollection that is stored, or sent, between two stages.

    Attributes:
        producer: Full label of the transform that makes it.
        consumer: Full label of one that takes it.
        reason: 'group', 'side input' or 'environment'.
        types: What its elements are made of, as far as the coder tells.
    """

    producer: str
    consumer: str
    reason: str
    types: tuple[Any, ...]

    @property
    def has_frames(self) -> bool:
        return any(_is_frame(kind) for kind in self.types)

    @property
    def is_opaque(self) -> bool:
        """Whether its coder takes whatever there is, frames too."""
        return any(kind is Any for kind in self.types)


def leaves(proto: Any) -> dict[str, Any]:
    """The transforms that do something, by id."""
    return {
        name: transform
        for name, transform in proto.components.transforms.items()
        if not transform.subtransforms and transform.spec.urn
    }


def crossings(proto: Any) -> Iterator[Crossing]:
    """Every PCollection at which stages cannot be fused."""
    context = PipelineContext(proto.components)
    transforms = leaves(proto)
    makers = {
        collection: transform
        for transform in transforms.values()
        for collection in transform.outputs.values()
    }
    takers: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for transform in transforms.values():
        for tag, collection in transform.inputs.items():
            takers[collection].append((tag, transform))
    for collection, maker in makers.items():
        coder = context.coders[proto.components.pcollections[collection].coder_id]
        types = tuple(_parts(coder))
        for tag, taker in takers[collection]:
            if reason := _breaks(maker, tag, taker):
                yield Crossing(maker.unique_name, taker.unique_name, reason, types)


def _breaks(maker: Any, tag: str, taker: Any) -> str:
    if taker.spec.urn in _GROUPS:
        return "group"
    if tag in _side_inputs(taker):
        return "side input"
    ours, theirs = maker.environment_id, taker.environment_id
    # What the runner does itself has no environment.
    return "environment" if ours and theirs and ours != theirs else ""


def _side_inputs(transform: Any) -> set[str]:
    if transform.spec.urn != common_urns.primitives.PAR_DO.urn:
        return set()
    payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
    return set(payload.side_inputs)


def _parts(coder: Coder) -> Iterator[Any]:
    components = coder._get_component_coders()
    if components:
        for component in components:
            yield from _parts(component)
    else:
        try:
            yield from _named(coder.to_type_hint())
        except NotImplementedError:
            yield type(coder)


def _named(hint: Any) -> Iterator[Any]:
    inner = list(hint._inner_types()) if isinstance(hint, _COMPOUND) else []
    if inner:
        for part in inner:
            yield from _named(part)
    else:
        yield hint


_COMPOUND = (typehints.CompositeTypeHint, typehints.IndexableTypeConstraint)


def _is_frame(kind: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, np.ndarray):
        return True
    return "frame" in getattr(kind, "__name__", "").lower().replace("framekey", "")


def environments(proto: Any) -> dict[str, tuple[str, dict[str, bytes]]]:
    """Image and resource hints of every transform that has an environment, by label."""
    found = {}
    for transform in leaves(proto).values():
        if transform.environment_id:
            made = proto.components.environments[transform.environment_id]
            payload = beam_runner_api_pb2.DockerPayload.FromString(made.payload)
            found[transform.unique_name] = (
                payload.container_image,
                dict(made.resource_hints),
            )
    return found
