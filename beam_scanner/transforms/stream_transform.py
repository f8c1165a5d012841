"""The base of all transforms that add to a graph of streams."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam import Pipeline, typehints
from apache_beam.pvalue import PBegin, PValue
from apache_beam.typehints.native_type_compatibility import convert_to_beam_type

from beam_scanner.beam_internals.applied_steps import label_of_maker, parse_hints
from beam_scanner.beam_internals.row_types import may_be
from beam_scanner.beam_internals.shown_types import ShowsTypes
from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ElementTypeError, GraphError
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.text.shown_values import shown_value
from beam_scanner.transforms.graph_build import GraphInput, build_of, named
from beam_scanner.transforms.group import Branch, Group, Streams, joined


class GraphTransform(ShowsTypes):
    """A transform of whole streams.

    Its resource hints apply to the stage that runs its graph, and to no other.
    """

    def __init__(self, label: str | None = None) -> None:
        super().__init__(label)
        self.run_hints: dict[str, bytes] = {}
        self._declared: dict[str, Any] = {}

    def with_resource_hints(self, **hints: Any) -> GraphTransform:
        """Sets hints for the stage that decodes and computes, as a whole.

        Args:
            **hints: In Beam's words, as ``min_ram='16GB'``.
        """
        self.run_hints.update(parse_hints(hints))
        return self

    def display_data(self) -> dict[str, Any]:
        """The arguments, which a runner shows beside the step."""
        return {
            name.lstrip("_"): shown_value(value)
            for name, value in vars(self).items()
            if name.lstrip("_") in self._shown and value is not None
        }

    _shown: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """What errors call it."""
        return type(self).__name__

    takes = "streams, as ReadFromVideo gives them"
    """What it is applied to, in errors."""

    takes_lists = False
    """Whether a list stands for a PCollection, as elsewhere in Beam."""

    def __ror__(self, left: Any, label: str | None = None) -> Any:
        if isinstance(left, list) and self.takes_lists:
            if not any(isinstance(each, _DEFERRED) for each in left):
                return super().__ror__(left, label)
            # Beam would take them for elements.
            left = tuple(left)
        build = build_of(left)
        if build is not None:
            return build.apply(self, left, label)
        given = list(named(left))
        plain = [(k, each) for k, each in given if not isinstance(each, _DEFERRED)]
        if plain or not given:
            name, value = plain[0] if len(given) > 1 else ("", left)
            raise ElementTypeError(
                f"{self.called} takes {self.takes}, not {value!r:.80}"
                + (f" for {name}" if name else "")
            )
        return super().__ror__(left, label)

    def row_types(self) -> tuple[Sequence[Any] | None, Any]:
        """Type hints of its inputs, and of what it gives; None where there are none."""
        return (_SAME_ROWS,), self.declared() or _SAME_ROWS

    def streams(self, value: Any, what: str = "its input") -> Streams | Branch:
        """The value, if it is one or more streams.

        Raises:
            ElementTypeError: It is something else.
            GraphError: The streams are outputs of a complete graph.
        """
        name = self.called
        if isinstance(value, Streams) and value.group.build is not None:
            raise GraphError(
                f"{name} cannot be applied to an output of {label_of_maker(value)}: "
                "the graph of a VideoGraph is complete; apply it in its function"
            )
        if isinstance(value, (Streams, Branch)):
            return value
        if isinstance(value, GraphInput):
            value = value.value
        if isinstance(value, beam.PCollection):
            maker = label_of_maker(value)
            made_by = f" of {maker}" if maker else ""
            if value.element_type is not None:
                made_by += f", with elements of type {pretty(value.element_type)}"
            raise ElementTypeError(
                f"{name} takes whole streams, as ReadFromVideo and the transforms of "
                f"beam_scanner give them; {what} is an ordinary PCollection{made_by}. "
                f"Apply {name} before that, or write the elements with "
                "WriteToNamedStream and read them with ReadFromNamedStream"
            )
        fields = getattr(value, "_fields", ())
        hint = f"; pick one of its outputs: {', '.join(fields)}" if fields else ""
        if isinstance(value, PBegin):
            hint = ": begin with ReadFromVideo, or another source"
        shown = type(value).__name__
        if not isinstance(value, (PBegin, tuple, list, Mapping)):
            shown = f"{value!r:.80}"
        raise ElementTypeError(f"{name} takes {self.takes}; {what} is {shown}{hint}")

    def extended(self, before: Streams | Branch, column: OpColumn) -> Streams | Branch:
        """The streams of a column over the graph of ``before``."""
        return before.group.extend(column, self.run_hints, self.declared())

    def with_output_types(self, hint: Any = None, **named: Any) -> GraphTransform:
        """Declares the type of the elements, for example that some values are None.

        Args:
            hint: In Beam's words, as ``tuple[FrameKey, int | None]``.
            **named: The same for single outputs of an op with several, by their names.

        Raises:
            ElementTypeError: It is no type of pairs of a ``FrameKey`` and a value.
        """
        for name, given in {"": hint, **named}.items():
            if given is None:
                continue
            declared = convert_to_beam_type(given)
            if not may_be(declared, _ROWS):
                raise ElementTypeError(
                    f"{self.called} gives rows, (FrameKey, value); declare their type as "
                    f"tuple[FrameKey, ...], got {pretty(declared)}"
                )
            self._declared[name] = declared
        return self

    def declared(self, output: str = "") -> Any:
        """The type of the elements that the user has declared, if any."""
        return self._declared.get(output, self._declared.get(""))


_DEFERRED = (PValue, Pipeline, Branch, GraphInput)
_ROWS = typehints.Tuple[FrameKey, typehints.Any]
_SAME_ROWS = typehints.Tuple[FrameKey, typehints.TypeVariable("T")]


def pretty(hint: Any) -> str:
    """A type hint without the modules of its parts.

    Examples:
        >>> pretty(typehints.Tuple[FrameKey, int])
        'Tuple[FrameKey, int]'
    """
    return re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", str(hint))


def group_of(inputs: Sequence[Streams | Branch]) -> Group:
    """The group that reads all sources of the inputs.

    Raises:
        GraphError: They are streams of different graphs.
    """
    groups = list({id(each.group): each.group for each in inputs}.values())
    if len({id(group.build) for group in groups}) > 1:
        raise GraphError(
            "streams of a VideoGraph can only be joined with others of the same one: "
            "read all sources in its function"
        )
    return joined(groups)
