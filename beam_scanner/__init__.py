"""Video computation graphs on Apache Beam.

``Client`` runs graphs with Scanner's API; ``types`` and ``protobufs`` are what rows
hold, ``storage`` is where streams live::

    from beam_scanner import Client, NamedStream, NamedVideoStream

What a name needs is imported when the name is first used; Beam, when a graph runs.
"""

from beam_scanner.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
__all__ += ["protobufs", "storage", "types"]
