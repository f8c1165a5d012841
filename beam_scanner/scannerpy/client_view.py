"""What a notebook shows of a database."""

from __future__ import annotations

from itertools import islice

from beam_scanner.storage.streams.named import NamedStorage, list_streams
from beam_scanner.text.cards import card, note, table

LISTED = 20
"""Streams; a database may have very many, which are not even counted."""


def client_card(storage: NamedStorage) -> str:
    """The first streams of a database, with what they hold."""
    found = list(islice(list_streams(storage), LISTED + 1))
    rows = [
        (
            each.name,
            "frames" if each.kind == "video" else each.type_name,
            f"{each.rows:,}",
        )
        for each in found[:LISTED]
    ]
    listed = (
        table(["stream", "holds", "rows"], rows) if rows else note("no streams yet")
    )
    more = note("and more") if len(found) > LISTED else ""
    return card(f"Database {storage.db_path}", {}, listed, more)
