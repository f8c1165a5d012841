"""Some rows of a video in one picture."""

from __future__ import annotations

import re
from collections.abc import Sequence

from beam_scanner.errors import ArgumentError
from beam_scanner.exports.whole_files import whole_file
from beam_scanner.notebook.thumbnails import spread
from beam_scanner.rows.row_numbers import row_numbers
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.types.image_files import encode_image

SHOWN = 24
"""Rows of a picture, where none are given: from all over the video."""

MOST = 1000

_PART = re.compile(r"(\d+)|(\d*):(\d*)(?::(\d+))?")


def parse_rows(text: str, total: int) -> list[int]:
    """Parses row numbers and ranges.

    Args:
        text: Numbers and ranges START:END:STEP, of which any part may be left out, with
            commas between.
        total: How many rows there are, which is where ranges end.

    Raises:
        ArgumentError: The text is not in this form.

    Examples:
        >>> parse_rows('7,0:4,90::5', 100)
        [7, 0, 1, 2, 3, 90, 95]
    """
    rows: list[int] = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None or found[4] == "0":
            raise ArgumentError(
                f"rows are numbers and ranges START:END:STEP, such as 7,0:500:20; got "
                f"{text!r}"
            )
        if found[1] is not None:
            rows.append(int(found[1]))
        else:
            end = min(int(found[3] or total), total)
            rows += range(int(found[2] or 0), end, int(found[4] or 1))
    return rows


def rows_of_sheet(stream: NamedVideoStream, text: str | None) -> list[int]:
    """The rows that a picture of a stream has.

    Args:
        stream: The stream.
        text: See :func:`parse_rows`; None for some from all over it.

    Raises:
        ArgumentError: There are none, or very many.
        RowError: One lies outside the stream.
    """
    total = stream.len()
    rows = spread(total, SHOWN) if text is None else parse_rows(text, total)
    if not 0 < len(rows) <= MOST:
        raise ArgumentError(
            f"a montage has 1 to {MOST} rows, got {len(rows)} of {total} of stream "
            f"{stream.name()!r}"
        )
    chosen: list[int] = row_numbers(rows, total, stream.name()).tolist()
    return chosen


def write_sheet(stream: NamedVideoStream, rows: Sequence[int], path: str) -> None:
    """Writes rows of a video as one PNG, in the order in which they are given.

    Args:
        stream: The video.
        rows: Which.
        path: Of the file.

    Raises:
        ArgumentError: All of them are null.
        StorageError: The file cannot be written.
    """
    sheet = stream.frames(rows).montage()
    with whole_file(path) as part, open(part, "wb") as file:
        file.write(encode_image(sheet, "png"))
