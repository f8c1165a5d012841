"""``scannerpy.storage``: where streams are kept."""

from __future__ import annotations

from beam_scanner.storage import NamedStorage as NamedStorage
from beam_scanner.storage import NamedStream as NamedStream
from beam_scanner.storage import NamedVideoStorage as NamedVideoStorage
from beam_scanner.storage import NamedVideoStream as NamedVideoStream
from beam_scanner.storage import StorageBackend as StorageBackend
from beam_scanner.storage import StoredStream as StoredStream
from beam_scanner.types import NullElement as NullElement
