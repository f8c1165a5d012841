"""Tables of a small database."""

from beam_scanner.storage.streams.named import NamedStorage, NamedStream


def blobs(storage: NamedStorage, name: str, *values: bytes) -> None:
    NamedStream(storage, name).save(values)
