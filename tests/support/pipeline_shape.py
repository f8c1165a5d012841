"""What a pipeline's proto must be like for any runner to take it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.runners.portability.fn_api_runner import translations

_PRIMITIVES = frozenset(
    each.urn
    for group in (
        common_urns.primitives,
        common_urns.combine_components,
        common_urns.sdf_components,
    )
    for each in vars(group).values()
    if hasattr(each, "urn")
)
_DONE_BY_RUNNERS = frozenset(
    [
        common_urns.composites.RESHUFFLE.urn,
        common_urns.primitives.IMPULSE.urn,
        common_urns.primitives.FLATTEN.urn,
        common_urns.primitives.GROUP_BY_KEY.urn,
    ]
)
_PORTABLE = (
    translations.pack_combiners,
    translations.lift_combiners,
    translations.sort_stages,
)
_EXPANDED = (translations.expand_sdf, translations.sort_stages)
_DATAFLOW = (translations.pack_combiners, translations.sort_stages)


def faults(proto: Any) -> list[str]:
    """What is wrong with a pipeline; empty where nothing is.

    * Each step without parts is one that runners know how to execute.
    * Each PCollection has one such step as its producer, no more and no less.
    * What a composite gives is made in it, or was given to it.
    * What a step takes is made by some step, and labels are unique.
    """
    return [*_of_leaves(proto), *_of_collections(proto), *_of_composites(proto)]


def optimized(proto: Any) -> dict[str, Any]:
    """The pipeline as Beam hands it to job services, by the name of how that is done."""
    ways = {
        "portable": (_PORTABLE, _DONE_BY_RUNNERS),
        "expanded": (_EXPANDED, _DONE_BY_RUNNERS),
        "dataflow": (_DATAFLOW, frozenset[str]()),
    }
    return {
        name: translations.optimize_pipeline(
            proto, phases=phases, known_runner_urns=known, partial=True
        )
        for name, (phases, known) in ways.items()
    }


def fused(proto: Any) -> list[Any]:
    """The stages that Beam's own runner makes of the pipeline."""
    phases = translations.standard_optimize_phases()
    _, stages = translations.create_and_optimize_stages(
        proto, phases, known_runner_urns=frozenset()
    )
    return list(stages)


def _is_leaf(transform: Any) -> bool:
    return not transform.subtransforms


def _of_leaves(proto: Any) -> Iterator[str]:
    transforms = proto.components.transforms
    for transform in transforms.values():
        known = transform.spec.urn in _PRIMITIVES
        if _is_leaf(transform) and not known and not _is_of_beam(transform):
            yield f"{transform.unique_name} has no parts: {transform.spec.urn!r}"
    names = Counter(transform.unique_name for transform in transforms.values())
    yield from (f"{name} is there {n} times" for name, n in names.items() if n > 1)


def _is_of_beam(transform: Any) -> bool:
    """A composite of Beam's that may give what it is given: part of Create is one."""
    given = {name for tag, name in transform.inputs.items() if "implicit" not in tag}
    kind = transform.annotations.get("python_type", b"").decode()
    return kind.startswith("apache_beam.") and set(transform.outputs.values()) == given


def _of_collections(proto: Any) -> Iterator[str]:
    made: dict[str, list[str]] = {name: [] for name in proto.components.pcollections}
    taken = set()
    for transform in proto.components.transforms.values():
        taken.update(transform.inputs.values())
        if _is_leaf(transform) and not _is_of_beam(transform):
            for name in transform.outputs.values():
                made.setdefault(name, []).append(transform.unique_name)
    for name, makers in made.items():
        if len(makers) != 1:
            yield f"{name} is made by {makers or 'no step'}"
    yield from (f"{name} is taken, and is not there" for name in taken - made.keys())


def _of_composites(proto: Any) -> Iterator[str]:
    transforms = proto.components.transforms

    def made_in(name: str) -> set[str]:
        transform = transforms[name]
        if _is_leaf(transform):
            return set(transform.outputs.values())
        return set().union(*map(made_in, transform.subtransforms))

    for name, transform in transforms.items():
        own = made_in(name) | set(transform.inputs.values())
        for tag, output in transform.outputs.items():
            if output not in own:
                yield f"{transform.unique_name} gives {output} as {tag}, and made it not"


@contextmanager
def examined(*flags: str) -> Iterator[list[list[str]]]:
    """Examines pipelines instead of running them.

    Args:
        *flags: Options that they get beside their own.

    Yields:
        For each pipeline the labels of its steps.

    Raises:
        AssertionError: There are faults, also in what Beam makes of the pipeline.
    """
    labels: list[list[str]] = []
    init = beam.Pipeline.__init__

    def examine(self: Any, *args: Any, **kwargs: Any) -> Any:
        proto = self.to_runner_api()
        assert faults(proto) == []
        for way, made in optimized(proto).items():
            assert faults(made) == [], way
        assert fused(proto)
        labels.append(step_labels(self))
        raise Examined

    def with_flags(
        self: Any, runner: Any = None, options: Any = None, *more: Any, **named: Any
    ) -> None:
        options = PipelineOptions([]) if options is None else options
        given = PipelineOptions(list(flags)).get_all_options(drop_default=True)
        # As if they were among the user's own.
        options._all_options.update(given)
        init(self, runner, options, *more, **named)

    with (
        mock.patch.object(beam.Pipeline, "run", examine),
        mock.patch.object(beam.Pipeline, "__init__", with_flags),
    ):
        yield labels


class Examined(BaseException):
    """Ends what would have run a pipeline."""


def step_labels(pipeline: Any) -> list[str]:
    """Full labels of the steps, without those that composites of Beam's are made of."""
    found: list[str] = []
    _add_labels(pipeline._root_transform(), found)
    return sorted(found)


def _add_labels(applied: Any, found: list[str]) -> None:
    for part in applied.parts:
        found.append(part.full_label)
        if not type(part.transform).__module__.startswith("apache_beam."):
            _add_labels(part, found)
