"""Type hints that a transform shows before it is applied, without Beam checking them.

Our transforms check what they are applied to themselves, with errors that name streams
and columns. Beam checks those that the program has given.

If Beam changes this: ``get_type_hints`` of transforms says ``Any``, or a wrong input is
refused by Beam's own error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from apache_beam.typehints.decorators import IOTypeHints


class ShowsTypes(beam.PTransform):  # type: ignore[misc]
    """A transform with types of its own; to be derived from."""

    def row_types(self) -> tuple[Sequence[Any] | None, Any]:
        """Type hints of its inputs, and of what it gives; None where there are none."""
        raise NotImplementedError

    def default_type_hints(self) -> IOTypeHints:
        """What Beam shows."""
        taken, given = self.row_types()
        hints = IOTypeHints.empty()
        if taken is not None:
            hints = hints.with_input_types(*taken)
        return hints if given is None else hints.with_output_types(given)

    def type_check_inputs(self, pvalueish: Any) -> None:
        """Checks what ``with_input_types`` says; ``expand`` checks the rest."""
        if self._get_or_create_type_hints().input_types is not None:
            super().type_check_inputs(pvalueish)

    def type_check_outputs(self, pvalueish: Any) -> None:
        """Checks what ``with_output_types`` says; rows are as the graph makes them."""
        if self._get_or_create_type_hints().output_types is not None:
            super().type_check_outputs(pvalueish)
