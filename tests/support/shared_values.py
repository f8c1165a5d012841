"""A graph whose op uses values that a test can change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beam_scanner.graph.nodes import InputNode, OpColumn, OpNode, OutputNode
from beam_scanner.kernels import read_spec
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.types import get_type_info


class Graph:
    """One op over one stream, which reads a global, an argument and one of the stream."""

    def __init__(self, folder: Path) -> None:
        self.settings, self.argument, self.of_stream = {"t": 1}, [1], [1]
        space: dict[str, Any] = {"__name__": "users_module", "SETTINGS": self.settings}
        exec("def op(config, x: bytes) -> bytes: return SETTINGS", space)
        self.storage = NamedStorage(str(folder))
        given, made = (NamedStream(self.storage, name) for name in ("in", "out"))
        given.save([b"a"])
        kind = get_type_info(bytes)
        op = OpNode(
            read_spec(space["op"], name="Detect"),
            (OpColumn(InputNode((given,)), 0, kind),),
            init_args={"model": self.argument},
            stream_args={"by": (self.of_stream,)},
        )
        self.outputs = [OutputNode(OpColumn(op, 0, kind), (made,))]

    def change(self, what: str) -> None:
        if what == "global":
            self.settings["t"] += 1
        else:
            getattr(self, what).append(1)
