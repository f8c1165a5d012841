"""DoFns whose outputs have several types, where Beam checks types while it runs.

With ``--performance_runtime_type_check``, each step that takes elements leaves the type
that it declares at the DoFn that makes them, and Beam compares all that this DoFn gives
with it: also what goes to another output, such as failures, which other steps take.

If Beam changes this: pipelines with that flag end where a stream fails.
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam


class _Nothing(dict[str, Any]):
    """Stays empty."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


class SeveralOutputs(beam.DoFn):  # type: ignore[misc]
    """Base of DoFns with outputs of several types."""

    # On the class, so that Beam makes none for the DoFn.
    _runtime_output_constraints = _Nothing()
