"""Elements that are late in their window, for tests."""

from __future__ import annotations

from typing import Any

from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms import window


def late_stream(*bundles: list[Any]) -> TestStream:
    """The first bundle is in time, each other one is late."""
    stream = TestStream()
    for number, bundle in enumerate(bundles):
        timed = [window.TimestampedValue(each, 1) for each in bundle]
        stream = stream.add_elements(timed).advance_watermark_to(10 + number)
    return stream.advance_watermark_to_infinity()
