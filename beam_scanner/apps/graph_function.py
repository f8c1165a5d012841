"""What a graph that the command runs is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from beam_scanner.graph.nodes import OpColumn
from beam_scanner.storage import NamedStream, NamedVideoStream

Columns = OpColumn | Mapping[str, OpColumn]


class Written(dict[str, list[Any]]):
    """What a run committed: lists of streams, by output.

    Attributes:
        videos: The videos that they were made of, in the same order.
    """

    def __init__(
        self,
        videos: Sequence[NamedVideoStream],
        stream: Callable[[str, NamedVideoStream], NamedStream],
    ) -> None:
        super().__init__()
        self.videos = list(videos)
        self._stream = stream

    def stream(self, output: str, video: NamedVideoStream) -> NamedStream:
        """A stream that the graph may save itself, named as an output would be."""
        return self._stream(output, video)


GraphFunction = Callable[
    [Any, list[NamedVideoStream]],
    Columns | Generator[Columns, Written, Sequence[str] | None],
]
