"""Warns of frames that leave for steps with other resource hints.

Steps of other hints are executed by other workers, on every runner: each frame is
serialized and sent there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.typehints.typehints import get_concrete_type_from_nullable, is_nullable

from beam_scanner.beam_internals.applied_steps import (
    hints_as_given,
    hints_of,
    label_of_maker,
    readers_of,
    steps_that_make,
)
from beam_scanner.beam_internals.row_types import parts_of, value_type_of


def warn_of_sent_frames(streams: Iterable[Any], warned: set[str]) -> None:
    """Warns of steps that take frames and have other hints than the step that makes them.

    Args:
        streams: PCollections of rows that leave a graph.
        warned: Full labels of steps that were warned of; is added to.
    """
    framed = [each for each in streams if _are_frames(each.element_type)]
    if not framed:
        return
    readers = readers_of(framed[0].pipeline)
    for each in framed:
        hints = hints_of(steps_that_make(each)[0])
        for step in _elsewhere(each, hints, readers):
            if step.full_label not in warned:
                warned.add(step.full_label)
                warnings.warn(_message(each, step, hints), stacklevel=2)


def _elsewhere(
    rows: Any, hints: Mapping[str, bytes], readers: Mapping[Any, list[Any]]
) -> Iterator[Any]:
    """Steps of other hints that take the rows, or what steps in between make of them."""
    for step in readers.get(rows, ()):
        if isinstance(step.transform, beam.GroupByKey):
            # It stores what it is given, whoever goes on with that.
            continue
        flattened = isinstance(step.transform, beam.Flatten)
        if not flattened and hints_of(step) != dict(hints):
            yield step
            continue
        for made in step.outputs.values():
            if _passes_on(step) or _holds_frames(made.element_type):
                yield from _elsewhere(made, hints, readers)


def _passes_on(step: Any) -> bool:
    """Whether a step gives the elements it is given; Beam knows no type of parts."""
    function = getattr(step.transform, "fn", None)
    return isinstance(function, beam.Partition.ApplyPartitionFnFn)


def _are_frames(hint: Any) -> bool:
    """Whether rows are images: frames, or arrays that an op gives."""
    value = value_type_of(hint)
    if value is not None and is_nullable(value):
        value = get_concrete_type_from_nullable(value)
    return isinstance(value, type) and issubclass(value, np.ndarray)


def _holds_frames(hint: Any) -> bool:
    if isinstance(hint, type):
        return issubclass(hint, np.ndarray)
    return any(map(_holds_frames, parts_of(hint)))


def _message(rows: Any, step: Any, hints: Mapping[str, bytes]) -> str:
    maker = label_of_maker(rows).removesuffix("/Rows")
    theirs = hints_as_given(hints_of(step))
    ours = hints_as_given(hints)
    if theirs:
        give = f"give {maker!r}, or any transform of its graph, {theirs}"
    else:
        give = f"give {step.full_label!r}, or a composite around it, {ours}"
    return (
        f"the frames of {maker!r} leave for {step.full_label!r}, which has "
        f"{theirs or 'no resource hints'}, where they are made with "
        f"{ours or 'no resource hints'}: it is executed by other workers, to which each "
        f"frame is sent. To keep them where they are, {give}; or do with an op what can "
        "be done with one"
    )
