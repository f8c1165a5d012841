"""How many videos are indexed: a line in a terminal or notebook."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from beam_scanner.run.pace import repeated
from beam_scanner.run.progress import first_of, line_width, visible
from beam_scanner.text.quantities import counted

_ONE = "indexing {desc} [{elapsed}]"
_MANY = (
    "indexing {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} videos "
    "[{elapsed}<{remaining}] {desc}"
)


class IngestProgress:
    """Draws a line while it is open, unless that takes no time; then it is gone.

    Args:
        names: Of the videos.
        show: Whether to draw at all, where somebody can see it.
        done: Asks which ones are done, by number, where workers index them.
        counts: Whether it is known which ones are done.

    Attributes:
        shows: Whether it draws.
    """

    def __init__(
        self,
        names: Sequence[str],
        show: bool,
        done: Callable[[], Collection[int]] | None = None,
        counts: bool = True,
    ) -> None:
        self.shows = show and visible()
        self._names, self._ask, self._counts = names, done, counts
        self._done: set[int] = set()
        self._at_work: dict[int, None] = {}
        self._changes = threading.Lock()
        self._bar: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self.shows:
            self._stack.enter_context(repeated(self._draw, "indexing"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        if self._bar is not None:
            self._bar.close()

    @contextmanager
    def at(self, number: int) -> Iterator[None]:
        """Counts a video that is indexed here."""
        with self._changes:
            self._at_work[number] = None
        try:
            yield
        finally:
            with self._changes:
                del self._at_work[number]
                self._done.add(number)

    def __str__(self) -> str:
        """The videos at work; of those that workers index the first that is not done."""
        if not self._counts:
            return counted(len(self._names), "video")
        with self._changes:
            numbers = list(self._at_work)
        if not numbers:
            rest = (n for n in range(len(self._names)) if n not in self._done)
            numbers = [n for n in (next(rest, None),) if n is not None]
        return first_of([self._names[number] for number in numbers]) if numbers else ""

    def _draw(self) -> None:
        if self._ask is not None:
            self._done |= set(self._ask())
        named = str(self)
        if not named:
            return
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=len(self._names),
                bar_format=_MANY if self._counts and len(self._names) > 1 else _ONE,
                desc=named,
                mininterval=0,
                leave=False,
                **line_width(),
            )
        self._bar.set_description_str(named, refresh=False)
        self._bar.n = len(self._done)
        self._bar.refresh()
