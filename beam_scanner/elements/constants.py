"""PCollections of elements that are known when the pipeline is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam

from beam_scanner.elements.hints import unread


class Constants(beam.PTransform):  # type: ignore[misc]
    """The given elements, as ``beam.Create`` gives them.

    In that, one element passes a composite that has no parts, which some runners take
    for a second step that makes it.

    Args:
        elements: What the PCollection is to hold.

    Examples:
        >>> with beam.Pipeline('FnApiRunner') as pipeline:
        ...     _ = pipeline | Constants(['a']) | beam.Map(print)
        a
    """

    def __init__(self, elements: Iterable[Any]) -> None:
        super().__init__()
        self._elements = list(elements)

    @unread
    def expand(self, begin: Any) -> Any:
        """Makes them of an impulse, and spreads them."""
        kinds = {type(element) for element in self._elements}
        kind = kinds.pop() if len(kinds) == 1 else Any
        elements = self._elements
        # Pickled by value: so workers without this package say that they lack it. If
        # their first step could not be loaded, Flink would wait for them in vain.
        make = beam.FlatMap(lambda _: elements).with_output_types(kind)
        made = begin.pipeline | beam.Impulse() | "Make" >> make
        return made | beam.Reshuffle() if len(self._elements) > 1 else made
