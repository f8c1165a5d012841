"""Frames that were read, with their rows and times; a notebook shows them."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError
from beam_scanner.text.cards import card, escaped, never_raises, note
from beam_scanner.text.quantities import counted
from beam_scanner.types.element_types import NullElement

MOST_SHOWN = 24
"""Frames of a strip; of more, as many are shown, evenly chosen."""

MOST_PLAYED = 750
"""Frames of a clip: half a minute at 25 a second, some megabytes in a notebook."""


class FrameList(list[Any]):
    """A list of frames, which knows where they are from.

    Attributes:
        rows: Their rows.
        seconds: float64[n], when each is shown; nan where that is unknown.
        source: Name of the video or stream.

    Examples:
        >>> frames = FrameList([np.zeros((48, 64, 3), np.uint8)] * 2, [7, 8], [0.28, 0.32])
        >>> frames
        <2 frames of '', rows 7 to 8>
        >>> frames.montage(columns=2, width=32).shape
        (24, 68, 3)
    """

    def __init__(
        self,
        frames: Iterable[Any],
        rows: Sequence[int],
        seconds: Sequence[float] | NDArray[np.float64],
        source: str = "",
    ) -> None:
        super().__init__(frames)
        self.rows = [int(row) for row in rows]
        self.seconds = np.asarray(seconds, np.float64)
        self.source = source

    def __repr__(self) -> str:
        of = f"{counted(len(self), 'frame')} of {self.source!r}"
        where = f", rows {self.rows[0]} to {self.rows[-1]}" if self.rows else ""
        return f"<{of}{where}>"

    def __reduce__(self) -> Any:
        return FrameList, (list(self), self.rows, self.seconds, self.source)

    @never_raises
    def _repr_html_(self) -> str:
        return self.strip()

    def strip(self, found: Sequence[Any] | None = None) -> str:
        """The frames side by side, with their times, as HTML.

        Args:
            found: What an op has found in each: boxes, key points, texts, masks, flow.
        """
        from beam_scanner.notebook.thumbnails import Shot, caption, spread, strip

        chosen = spread(len(self), MOST_SHOWN)
        said = [
            Shot(
                self[place],
                caption(self.rows[place], float(self.seconds[place])),
                None if found is None else found[place],
            )
            for place in chosen
        ]
        few = (
            note(f"{len(chosen)} of {len(self)} frames")
            if len(said) < len(self)
            else ""
        )
        return card(self.source, {}, strip(said), few)

    def montage(self, columns: int | None = None, width: int = 240) -> Any:
        """One picture of all frames: H x W x 3 uint8 RGB.

        Args:
            columns: How many stand in a row; as many as suit a screen if None.
            width: Of each, in pixels.

        Raises:
            ArgumentError: There is no frame, or a number is below 1.
        """
        from beam_scanner.notebook.montages import montage

        return montage(self, columns, width)

    def show(self, fps: float | None = None, width: int = 480) -> Any:
        """The frames as a clip that plays in a notebook.

        Args:
            fps: Frames a second; None: at their times, or 25 where these do not ascend.
            width: Of the clip in pixels, at most.

        Returns:
            A ``View``; its ``html()`` is a page's part that stands alone.

        Raises:
            ArgumentError: There is no frame, or there are too many for a notebook.
        """
        from beam_scanner.notebook.view import View

        if not 0 < len(self) <= MOST_PLAYED:
            raise ArgumentError(
                f"a clip in a notebook has 1 to {MOST_PLAYED} frames, got {len(self)}: "
                "take a shorter slice, or save_mp4 a stream"
            )
        if width < 16 or (fps is not None and not fps > 0):
            raise ArgumentError(
                "a clip needs a width of 16 or more and fps above 0, got "
                f"{width!r} and {fps!r}"
            )
        return View(f"clip: {self!r}", lambda: self._clip(fps, width))

    def _clip(self, fps: float | None, width: int) -> str:
        data = base64.b64encode(self._encoded(fps, width)).decode("ascii")
        return card(
            self.source,
            {},
            "<video controls loop muted autoplay playsinline "
            f"style='display:block;max-width:100%' aria-label='{escaped(self)}' "
            f"src='data:video/mp4;base64,{data}'></video>",
            note(repr(self)),
        )

    def _encoded(self, fps: float | None, width: int) -> bytes:
        """An MP4 that browsers play."""
        from beam_scanner.types.viewable import fitting, scaled, viewable
        from beam_scanner.video.encoder import Encoding, VideoEncoder

        given = next((f for f in self if not isinstance(f, NullElement)), None)
        if given is None:
            raise ArgumentError("all these rows are null")
        height, wide = fitting(viewable(given), width).shape[:2]
        size = (wide - wide % 2 or 2, height - height % 2 or 2)
        black = np.zeros((size[1], size[0], 3), np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "clip.mp4")
            with VideoEncoder(path, Encoding("h264", quality=26)) as encoder:
                for frame, when in zip(self, self._times(fps), strict=True):
                    null = isinstance(frame, NullElement)
                    picture = black if null else scaled(viewable(frame), *size)
                    encoder.write(picture, float(when))
            with open(path, "rb") as file:
                return file.read()

    def _times(self, fps: float | None) -> NDArray[np.float64]:
        count = np.arange(len(self))
        if fps is not None:
            return count / fps
        ascend = np.isfinite(self.seconds).all() and (np.diff(self.seconds) > 0).all()
        return self.seconds - self.seconds[0] if ascend else count / 25
