"""Tables keep their columns, whatever names are in them."""

from __future__ import annotations

from beam_scanner.text.tables import aligned, ruled_table


def test_columns_are_aligned() -> None:
    rows = [("NAME", "ROWS", ""), ("a\n", 7, "x")]
    assert aligned(rows, right=[1]) == ["NAME  ROWS", "a\\n      7  x"]
    assert aligned([]) == []


def test_tables_keep_their_columns() -> None:
    lines = ruled_table([("ID", "Name"), (0, "a\n"), (1000, "")]).split("\n")
    assert lines == ["ID   | Name", "-----+-----", "0    | a\\n", "1000 |"]
