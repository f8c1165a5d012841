"""Objects at ``gs://`` and ``s3://`` URLs.

Importing this loads no client library.
"""

from __future__ import annotations

from beam_scanner.stores.bucket import Bucket as Bucket
from beam_scanner.stores.bucket import Stat as Stat
from beam_scanner.stores.bucket import is_object_url as is_object_url
from beam_scanner.stores.listing import match_objects as match_objects
from beam_scanner.stores.listing import objects_below as objects_below
from beam_scanner.stores.object_file import ObjectFile as ObjectFile
from beam_scanner.stores.open import open_bucket as open_bucket
from beam_scanner.stores.open import open_object as open_object

__all__ = [
    "Bucket",
    "ObjectFile",
    "Stat",
    "is_object_url",
    "match_objects",
    "objects_below",
    "open_bucket",
    "open_object",
]
