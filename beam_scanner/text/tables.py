"""Tables of text, for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from beam_scanner.text.printable import printable


def aligned(
    rows: Sequence[Sequence[object]], right: Sequence[int] = (), between: str = "  "
) -> list[str]:
    r"""Lines with the columns of a table below each other.

    Args:
        rows: Of equal length.
        right: Numbers of the columns that are aligned to the right.
        between: What stands between columns.

    Examples:
        >>> aligned([('a.mp4', 9), ('b', 100)], right=[1])
        ['a.mp4    9', 'b      100']
    """
    shown = [[printable(str(value)) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        between.join(
            text.rjust(width) if number in right else text.ljust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    ]


def ruled_table(rows: Sequence[Sequence[object]]) -> str:
    r"""A table with ruled columns.

    Args:
        rows: Of equal length; the first is the head.

    Examples:
        >>> print(ruled_table([('ID', 'Name'), (0, 'a\n')]))
        ID | Name
        ---+-----
        0  | a\n
    """
    head, *rest = aligned(rows, between=" | ")
    widths = [
        max(len(printable(str(v))) for v in column)
        for column in zip(*rows, strict=True)
    ]
    return "\n".join([head, "-+-".join("-" * width for width in widths), *rest])
