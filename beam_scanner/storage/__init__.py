"""Where streams are kept: names, descriptors, segments, commit.

Importing this loads no media library.
"""

from beam_scanner.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
