"""As much of Cloud Storage as Beam needs to stage a job: a server in a thread."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Objects = dict[tuple[str, str], bytes]

_OBJECT = re.compile(r"/(?:download/)?storage/v1/b/([^/]+)/o/(.+)")
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)")
_UPLOAD = re.compile(r"/upload/(?:resumable/)?storage/v1/b/([^/]+)/o")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: Objects
    uploads: dict[str, tuple[tuple[str, str], bytearray]]

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, query = self._asked()
        if found := _OBJECT.fullmatch(path):
            key = (found[1], unquote(found[2]))
            if key not in self.objects:
                self._answer(404)
            elif query.get("alt") == ["media"]:
                self._answer(200, self.objects[key])
            else:
                self._answer(200, self._described(key))
        elif found := _BUCKET.fullmatch(path):
            self._answer(200, {"kind": "storage#bucket", "name": found[1]})
        else:
            self._answer(404)

    def do_POST(self) -> None:
        path, query = self._asked()
        found = _UPLOAD.fullmatch(path)
        body = self._body()
        if found is None:
            self._answer(404)
        elif query["uploadType"] == ["multipart"]:
            kind = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            message: Any = message_from_bytes(kind + body)
            about, content = message.get_payload()
            key = (found[1], json.loads(about.get_payload())["name"])
            # Leaves out the line's end that belongs to the boundary.
            self.objects[key] = content.get_payload(decode=True)
            self._answer(200, self._described(key))
        else:
            name = str(len(self.uploads))
            key = (found[1], json.loads(body)["name"])
            self.uploads[name] = (key, bytearray())
            address: Any = self.server.server_address
            host, port = address[:2]
            place = f"http://{host!s}:{port}/more/{name}"
            self._answer(200, b"", Location=place)

    def do_PUT(self) -> None:
        key, received = self.uploads[self.path.rpartition("/")[2]]
        received += self._body()
        total = self.headers["Content-Range"].rpartition("/")[2]
        if total == "*":
            self._answer(308, b"", Range=f"bytes=0-{len(received) - 1}")
            return
        self.objects[key] = bytes(received)
        self._answer(200, self._described(key))

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _described(self, key: tuple[str, str]) -> dict[str, Any]:
        import google_crc32c

        data = self.objects[key]
        checksum = struct.pack(">I", google_crc32c.value(data))
        return {
            "bucket": key[0],
            "name": key[1],
            "size": str(len(data)),
            "generation": "1",
            "crc32c": base64.b64encode(checksum).decode(),
            "md5Hash": base64.b64encode(hashlib.md5(data).digest()).decode(),
        }

    def _answer(
        self, status: int, body: bytes | dict[str, Any] = b"", **headers: str
    ) -> None:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(status)
        if isinstance(body, dict):
            self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def small_gcs() -> Iterator[tuple[str, Objects]]:
    """Serves one; any bucket is there.

    Yields:
        Its URL, for STORAGE_EMULATOR_HOST, and what it holds by bucket and name.
    """
    objects: Objects = {}
    handler = type("Handler", (_Handler,), {"objects": objects, "uploads": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", objects
    finally:
        server.shutdown()
        server.server_close()
