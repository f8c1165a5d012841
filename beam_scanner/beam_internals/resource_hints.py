"""Resource hints in the form that Beam keeps them in.

If Beam changes this: hints such as ``min_ram='16GB'`` are refused, or not merged with
those of composites around a transform.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apache_beam.transforms import resources


def parse_hints(hints: Mapping[str, Any]) -> dict[str, bytes]:
    """Hints as users write them, by Beam's names (URNs).

    Raises:
        ValueError: A name or a value is unknown to Beam.

    Examples:
        >>> parse_hints({'min_ram': '1MB'})
        {'beam:resources:min_ram_bytes:v1': b'1000000'}
    """
    return dict(resources.parse_resource_hints(dict(hints)))


def merge_hints(
    outer: Mapping[str, bytes], inner: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Parsed hints of a transform together with those of a composite around it.

    Examples:
        >>> merge_hints(parse_hints({'min_ram': '2MB'}), parse_hints({'min_ram': 1}))
        {'beam:resources:min_ram_bytes:v1': b'2000000'}
    """
    return dict(resources.merge_resource_hints(dict(outer), dict(inner)))
