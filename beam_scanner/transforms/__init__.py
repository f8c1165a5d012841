"""Beam transforms over whole streams of frames.

::

    with beam.Pipeline(options=options) as p:
        frames = p | ReadFromVideo('films/*.mp4')
        small = frames | Stride(8) | Resize(width=320, height=180)
        small | WriteToNamedVideo('db', name='small/{stream}')

Transforms that follow one another are joined while the pipeline is built: sampling
reaches the decoder, branches of one source decode it once, and frames do not travel
between stages. Any other transform gets ordinary elements ``(FrameKey, value)``.
``VideoGraph`` is one transform for a whole graph, which a function builds.
"""

from __future__ import annotations

from typing import Any

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.lazy import lazy_names

import_beam()

_find, _, _own = lazy_names(__name__)


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if name not in _own and not name.startswith("_"):
        # Workers import modules of this package that need none of these.
        from beam_scanner.transforms.registered import transform_named

        found = transform_named(name)
        if found is not None:
            return found
    return _find(name)


def __dir__() -> list[str]:
    from beam_scanner.transforms.registered import names

    return sorted([*_own, *names()])
