from beam_scanner.storage.descriptor import StreamDescriptor as StreamDescriptor
from beam_scanner.storage.sql.connections import SQLConfig as SQLConfig
from beam_scanner.storage.sql.pinned_query import SQLQuery as SQLQuery
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
from beam_scanner.storage.streams.sql import SQLInputStream as SQLInputStream
from beam_scanner.storage.streams.sql import SQLOutputStream as SQLOutputStream
from beam_scanner.storage.streams.sql import SQLStorage as SQLStorage
from beam_scanner.stores.local_store import LocalStore as LocalStore
from beam_scanner.stores.object_store import (
    ObjectNotFoundError as ObjectNotFoundError,
)
from beam_scanner.stores.object_store import ObjectStore as ObjectStore
from beam_scanner.stores.open import open_store as open_store
