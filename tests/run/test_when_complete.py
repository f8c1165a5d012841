"""One element when collections are complete, empty ones too."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that

from beam_scanner.run.when_complete import when_complete


@pytest.mark.parametrize("sizes", [[0], [3], [0, 0], [2, 0, 4]])
def test_there_is_one_whatever_the_collections_hold(sizes: list[int]) -> None:
    def is_one(found: list[object]) -> None:
        assert len(found) == 1

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        collections = [
            pipeline | f"Create {number}" >> beam.Create(range(size))
            for number, size in enumerate(sizes)
        ]
        assert_that(when_complete(*collections), is_one)
