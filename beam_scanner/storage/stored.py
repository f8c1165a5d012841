"""Stored streams and their backends, all in one place."""

from __future__ import annotations

from beam_scanner.storage.backend import StorageBackend as StorageBackend
from beam_scanner.storage.backend import StoredStream as StoredStream
from beam_scanner.storage.named import NamedStorage as NamedStorage
from beam_scanner.storage.named import NamedStream as NamedStream
from beam_scanner.storage.named_video import NamedVideoStorage as NamedVideoStorage
from beam_scanner.storage.named_video import NamedVideoStream as NamedVideoStream
