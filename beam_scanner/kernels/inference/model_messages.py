"""Messages between a process that has a model and those that use it."""

from __future__ import annotations

import pickle
from multiprocessing.connection import Connection
from typing import Any

from beam_scanner.errors import KernelError
from beam_scanner.kernels.at_element import element_of, note_element
from beam_scanner.text.error_text import class_name, message_of, traceback_of

FIT = "arrays, numbers, strings, or lists and dicts of these"
"""What can be sent, for errors."""


class MessageError(KernelError):
    """An object that cannot be sent, or not be received; the connection is as before."""


def send(connection: Connection, value: Any) -> None:
    """Sends an object; arrays are not copied as they are pickled.

    Raises:
        MessageError: It cannot be pickled; nothing was sent.
        OSError: The other end has gone.

    Examples:
        >>> from multiprocessing import Pipe
        >>> one, other = Pipe()
        >>> send(one, ['frame', 7])
        >>> receive(other)
        ['frame', 7]
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(data), *(buffer.raw() for buffer in buffers)]
    except MemoryError:
        raise
    except Exception as error:
        raise _refused("pickled", error) from error
    connection.send([part.nbytes for part in parts])
    for part in parts:
        connection.send_bytes(part)


def receive(connection: Connection) -> Any:
    """Waits for an object.

    Raises:
        EOFError: The other end has gone.
        MessageError: It cannot be loaded here.
    """
    parts = [bytearray(size) for size in connection.recv()]
    for part in parts:
        connection.recv_bytes_into(part)
    data, *buffers = parts
    try:
        return pickle.loads(data, buffers=buffers)
    except MemoryError:
        raise
    except Exception as error:
        raise _refused("loaded", error) from error


def _refused(what: str, error: Exception) -> MessageError:
    return MessageError(
        f"it cannot be {what} ({class_name(error)}: {message_of(error)})"
    )


def sendable(error: BaseException) -> BaseException:
    """An error that another process can load, with its traceback as a note."""
    text = traceback_of(error)
    try:
        made = pickle.loads(pickle.dumps(error))
        made.add_note(f"in the process that has the model:\n{text}")
        pickle.loads(pickle.dumps(made))
    except BaseException:
        # Its own class may raise anything at that.
        made = KernelError(f"{class_name(error)}: {message_of(error)}\n{text}")
        note_element(made, element_of(error))
    return made  # type: ignore[no-any-return]
