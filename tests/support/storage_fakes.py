"""An object store that lies nowhere: what no local path may be assumed of."""

import io
import os
import threading
from pathlib import Path

from beam_scanner.storage import ObjectNotFoundError, ObjectStore
from beam_scanner.stores.object_store import storage_errors

_stores: dict[str, dict[str, bytes]] = {}
_lock = threading.Lock()


class MemoryStore(ObjectStore):
    def __init__(self, name):
        self.url = f"memory://{name}"

    def __eq__(self, other):
        return isinstance(other, MemoryStore) and other.url == self.url

    def __hash__(self):
        return hash(self.url)

    @property
    def _objects(self):
        return _stores.setdefault(self.url, {})

    def put(self, key, data):
        if not isinstance(data, bytes):
            with storage_errors("read", os.fspath(data)):
                path = Path(data)
                data = path.read_bytes()
                path.unlink()
        self._objects[key] = data

    def put_if_absent(self, key, data):
        with _lock:
            return self._objects.setdefault(key, data) is data

    def put_if(self, key, data, expected):
        with _lock:
            if self._objects.get(key) != expected:
                return False
            self._objects[key] = data
            return True

    def read(self, key, start=0, stop=None):
        try:
            return self._objects[key][start:stop]
        except KeyError:
            raise ObjectNotFoundError(f"{self.url}/{key}: no such object") from None

    def size(self, key):
        return len(self.read(key))

    def exists(self, key):
        return key in self._objects

    def list(self, prefix="", skip=None):
        for key in sorted(self._objects):
            parts = key.split("/")
            folders = ["/".join(parts[: i + 1]) + "/" for i in range(len(parts) - 1)]
            if key.startswith(prefix) and not (skip and any(map(skip, folders))):
                yield key

    def delete(self, key):
        self._objects.pop(key, None)

    def open(self, key):
        return io.BytesIO(self.read(key))
