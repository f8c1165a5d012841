"""What changes while it is being sent is noticed, or sent as it is fingerprinted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import InputNode, OpColumn, OpNode, OutputNode
from beam_scanner.kernels import read_spec
from beam_scanner.run.fingerprints import Fingerprints
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


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("global", "op Detect"),
        ("argument", "op Detect"),
        ("of_stream", "stream 'out'"),
    ],
)
def test_what_has_changed_since_it_was_fingerprinted_is_an_error(
    tmp_path: Path, what: str, name: str
) -> None:
    graph = Graph(tmp_path)
    found = Fingerprints(graph.outputs, 0, graph.storage)
    jobs = [(0, found.of_job(0)[0])]
    found.check_unchanged(jobs)
    graph.change(what)
    with pytest.raises(ArgumentError, match=f"^{name}: .* has changed while"):
        found.check_unchanged(jobs)
