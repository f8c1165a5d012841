"""Where streams are kept: names, descriptors, segments, commit.

Importing this loads no media library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beam_scanner.storage.descriptor import StreamDescriptor as StreamDescriptor
    from beam_scanner.storage.stored_rows import RowReader as RowReader
    from beam_scanner.storage.stored_rows import SegmentWriter as SegmentWriter
    from beam_scanner.storage.streams.audio import AudioStorage as AudioStorage
    from beam_scanner.storage.streams.audio import AudioStream as AudioStream
    from beam_scanner.storage.streams.backend import StorageBackend as StorageBackend
    from beam_scanner.storage.streams.backend import StoredStream as StoredStream
    from beam_scanner.storage.streams.caption import CaptionStorage as CaptionStorage
    from beam_scanner.storage.streams.caption import CaptionStream as CaptionStream
    from beam_scanner.storage.streams.files import FilesStorage as FilesStorage
    from beam_scanner.storage.streams.files import FilesStream as FilesStream
    from beam_scanner.storage.streams.named import NamedStorage as NamedStorage
    from beam_scanner.storage.streams.named import NamedStream as NamedStream
    from beam_scanner.storage.streams.named import gc as gc
    from beam_scanner.storage.streams.named import list_streams as list_streams
    from beam_scanner.storage.streams.named_video import (
        NamedVideoStorage as NamedVideoStorage,
    )
    from beam_scanner.storage.streams.named_video import (
        NamedVideoStream as NamedVideoStream,
    )
    from beam_scanner.storage.streams.packed import (
        PackedFileStorage as PackedFileStorage,
    )
    from beam_scanner.storage.streams.packed import PackedFileStream as PackedFileStream
    from beam_scanner.storage.streams.python import PythonStorage as PythonStorage
    from beam_scanner.storage.streams.python import PythonStream as PythonStream
    from beam_scanner.stores.local_store import LocalStore as LocalStore
    from beam_scanner.stores.object_store import (
        ObjectNotFoundError as ObjectNotFoundError,
    )
    from beam_scanner.stores.object_store import ObjectStore as ObjectStore
    from beam_scanner.stores.open import open_store as open_store
else:
    from beam_scanner.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "beam_scanner.storage.descriptor": "StreamDescriptor",
            "beam_scanner.storage.stored_rows": "RowReader SegmentWriter",
            "beam_scanner.storage.streams.audio": "AudioStorage AudioStream",
            "beam_scanner.storage.streams.backend": "StorageBackend StoredStream",
            "beam_scanner.storage.streams.caption": "CaptionStorage CaptionStream",
            "beam_scanner.storage.streams.files": "FilesStorage FilesStream",
            "beam_scanner.storage.streams.named": "NamedStorage NamedStream gc list_streams",
            "beam_scanner.storage.streams.named_video": "NamedVideoStorage NamedVideoStream",
            "beam_scanner.storage.streams.packed": "PackedFileStorage PackedFileStream",
            "beam_scanner.storage.streams.python": "PythonStorage PythonStream",
            "beam_scanner.stores.local_store": "LocalStore",
            "beam_scanner.stores.object_store": "ObjectNotFoundError ObjectStore",
            "beam_scanner.stores.open": "open_store",
        },
    )
