"""Frames of many videos for programs that train and evaluate models.

``Frames`` decodes ahead in worker processes, and gives what was asked for in the order
in which it was asked for:

```python
with Frames(["a.mp4", "b.mp4"], rows=[(0, 17), (1, 4), (0, 3)], chunk=2) as frames:
    for rows, pixels in frames:
        ...
```
"""

from beam_scanner.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
