"""Messages between a process that has a model and those that use it."""

from __future__ import annotations

import pickle
import traceback
from multiprocessing.connection import Connection
from typing import Any

from beam_scanner.errors import KernelError


def send(connection: Connection, value: Any) -> None:
    """Sends an object; arrays are not copied as they are pickled.

    Examples:
        >>> from multiprocessing import Pipe
        >>> one, other = Pipe()
        >>> send(one, ['frame', 7])
        >>> receive(other)
        ['frame', 7]
    """
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(data), *(buffer.raw() for buffer in buffers)]
    connection.send([part.nbytes for part in parts])
    for part in parts:
        connection.send_bytes(part)


def receive(connection: Connection) -> Any:
    """Waits for an object.

    Raises:
        EOFError: The other end has gone.
    """
    parts = [bytearray(size) for size in connection.recv()]
    for part in parts:
        connection.recv_bytes_into(part)
    data, *buffers = parts
    return pickle.loads(data, buffers=buffers)


def sendable(error: BaseException) -> BaseException:
    """An error that another process can load, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    try:
        made = pickle.loads(pickle.dumps(error))
        made.add_note(f"in the process that has the model:\n{text}")
        pickle.loads(pickle.dumps(made))
    except Exception:
        made = KernelError(f"{type(error).__name__}: {error}\n{text}")
    return made  # type: ignore[no-any-return]
