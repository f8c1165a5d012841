"""What kind of content an object has, for browsers and players."""

from __future__ import annotations

_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "mp4": "video/mp4",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
}


def content_type(key: str) -> str:
    """The media type of an object, by the end of its key.

    Examples:
        >>> content_type('a/b.mp4'), content_type('a/b')
        ('video/mp4', 'application/octet-stream')
    """
    return _TYPES.get(key.rpartition(".")[2], "application/octet-stream")
