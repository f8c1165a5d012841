"""Labels in a notebook."""

from __future__ import annotations

import apache_beam as beam
import apache_beam.pipeline
import pytest

from beam_scanner.beam_internals.cell_labels import no_cell_labels


def test_beam_asks_for_labels_of_cells_where_they_are_kept_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a first run in a notebook loads interactive Beam."""

    def asked(transform: object, pvalueish: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(apache_beam.pipeline, "alter_label_if_ipython", asked)
    pipeline = beam.Pipeline()
    with pytest.raises(ZeroDivisionError):
        pipeline | beam.Create([1])
    with no_cell_labels():
        pipeline | beam.Create([1])
    assert apache_beam.pipeline.alter_label_if_ipython is asked
