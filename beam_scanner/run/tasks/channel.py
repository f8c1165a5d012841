"""Messages between a process that supervises tasks and the one that runs them."""

from __future__ import annotations

import pickle
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_COUNT = struct.Struct("<I")
_LOOK_SECONDS = 0.5


class Closed(Exception):
    """The other end has gone."""


class Channel:
    """Sends and receives objects; frames are not copied as they are pickled.

    Args:
        connection: One end of a pair of stream sockets.
        look: Is called twice a second while nothing comes; what it raises ends the
            wait.

    Examples:
        >>> one, other = map(Channel, socket.socketpair())
        >>> one.send(('rows', [1, 2]))
        >>> other.receive()
        ('rows', [1, 2])
        >>> one.close()
        >>> other.receive()
        Traceback (most recent call last):
            ...
        beam_scanner.run.tasks.channel.Closed
    """

    def __init__(
        self, connection: socket.socket, look: Callable[[], None] | None = None
    ) -> None:
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self.look = look

    def send(self, value: Any) -> None:
        """Sends an object; waits until the other end can take it.

        Raises:
            Closed: Nobody will read it.
        """
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(data), *(buffer.raw() for buffer in buffers)]
        sizes = struct.pack(f"<{len(parts)}Q", *(len(part) for part in parts))
        try:
            self._connection.sendall(_COUNT.pack(len(parts)) + sizes)
            for part in parts:
                self._connection.sendall(part)
        except OSError as error:
            raise Closed from error

    def receive(self) -> Any:
        """Waits for an object.

        Raises:
            Closed: The other end has gone before it had sent one.
        """
        (count,) = _COUNT.unpack(self._read(_COUNT.size))
        sizes = struct.unpack(f"<{count}Q", self._read(8 * count))
        data, *buffers = [self._read(size) for size in sizes]
        return pickle.loads(data, buffers=buffers)

    def close(self) -> None:
        """Hangs up."""
        with suppress(OSError):
            self._connection.close()

    def hang_up(self) -> None:
        """Ends all waits here and there; what has come can still be received."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        left = memoryview(data)
        while left:
            while self.look is not None and not self._poll.poll(_LOOK_SECONDS * 1000):
                self.look()
            try:
                count = self._connection.recv_into(left)
            except OSError as error:
                raise Closed from error
            if not count:
                raise Closed
            left = left[count:]
        return data
