"""Where bytes lie: one interface for folders, Cloud Storage and S3.

Importing this loads no client library.
"""

from __future__ import annotations

from beam_scanner.stores.object_urls import is_object_url as is_object_url
from beam_scanner.stores.open import is_remote as is_remote
from beam_scanner.stores.open import open_file as open_file
from beam_scanner.stores.open import open_store as open_store

__all__ = ["is_object_url", "is_remote", "open_file", "open_store"]
