"""What models find in frames: labels, texts, key points, masks, embeddings.

They are values like all others of classes, so a kernel may return one, or a list of
them, or have them in a dataclass of its own:

```python
def execute(self, frame: FrameType) -> list[Label]: ...
```

Places in a frame are fractions of its width and height, from 0 at the left and at the
top to 1, as in Scanner's ``BoundingBox``: they stay true when the frame is resized. A
mask is in pixels, of which it says how many there are. Scores are those of the model,
mostly from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.codecs.number_codecs import Shape


@dataclass(frozen=True, slots=True)
class Label:
    """What something is.

    Attributes:
        name: As the model calls it; '' if it has numbers alone.
        score: How sure it is.
        index: The number of the class in the model; None if it has none.

    Examples:
        >>> Label('bicycle', 0.9, 1)
        Label(name='bicycle', score=0.9, index=1)
    """

    name: str
    score: float = 1.0
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A text in a frame, or that is spoken.

    Attributes:
        text: The text.
        score: How sure the model is.
        corners: Of the text in the frame: (x, y), fractions of width and height, from
            the corner where it begins, clockwise as it is read. Empty if it has no place.

    Examples:
        >>> Text('EXIT', 0.8, [(0.1, 0.1), (0.2, 0.1), (0.2, 0.15), (0.1, 0.15)]).text
        'EXIT'
    """

    text: str
    score: float = 1.0
    corners: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Speech:
    """A time in which somebody speaks.

    Attributes:
        start: Seconds from the beginning of the sound.
        end: Seconds.
        score: How sure the model is, in the mean.

    Examples:
        >>> Speech(0.7, 4.8, 0.99).end
        4.8
    """

    start: float
    end: float
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Keypoint:
    """One point of a thing: a nose, a corner of a mouth.

    Attributes:
        x: Fraction of the frame's width.
        y: Fraction of its height.
        score: How sure the model is; 0 for a point that is not seen.
        name: As the model calls it; '' if it has only an order.
    """

    x: float
    y: float
    score: float = 1.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Keypoints:
    """The points of one thing: a person, a face, a hand.

    Attributes:
        points: In the order of the model.
        score: How sure it is of the thing.

    Examples:
        >>> face = Keypoints.from_array(np.array([[0.4, 0.3, 1.0], [0.6, 0.3, 0.5]]))
        >>> face.points[1]
        Keypoint(x=0.6, y=0.3, score=0.5, name='')
        >>> face.array().shape
        (2, 3)
    """

    points: list[Keypoint]
    score: float = 1.0

    @classmethod
    def from_array(
        cls, array: npt.NDArray[Any], names: tuple[str, ...] = (), score: float = 1.0
    ) -> Keypoints:
        """Key points of an array.

        Args:
            array: N x 2 (x, y) or N x 3 (x, y, score), as in ``Keypoint``.
            names: One for each point, or none.
            score: Of the whole.

        Raises:
            ElementTypeError: The array, or the names, are not so many.
        """
        rows = np.asarray(array)
        if rows.ndim != 2 or rows.shape[1] not in (2, 3):
            raise ElementTypeError(
                f"key points are N x 2 or N x 3 numbers, got shape {rows.shape}"
            )
        if names and len(names) != len(rows):
            raise ElementTypeError(f"{len(names)} names for {len(rows)} key points")
        named = names or ("",) * len(rows)
        scores = rows[:, 2] if rows.shape[1] == 3 else np.ones(len(rows))
        points = [
            Keypoint(float(x), float(y), float(sure), name)
            for (x, y), sure, name in zip(rows[:, :2], scores, named, strict=True)
        ]
        return cls(points, score)

    def array(self) -> npt.NDArray[np.float64]:
        """N x 3 float64: x, y, score."""
        rows = [(point.x, point.y, point.score) for point in self.points]
        return np.array(rows, np.float64).reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of one thing, as the lengths of runs.

    The pixels are taken column by column, from the top of the first; runs are in turn
    outside and inside, and the first, which may be 0, is outside. So are the
    uncompressed masks of COCO.

    Attributes:
        height: Of the mask, in pixels; that of the frame, unless a model says otherwise.
        width: In pixels.
        counts: The runs' lengths; together they are all pixels.
        score: How sure the model is.

    Examples:
        >>> mask = Mask.from_array(np.array([[0, 1], [0, 1]], bool))
        >>> mask.counts, mask.area
        ([2, 2], 2)
        >>> mask.array().tolist()
        [[False, True], [False, True]]
    """

    height: int
    width: int
    counts: list[int]
    score: float = 1.0

    @classmethod
    def from_array(cls, array: npt.NDArray[Any], score: float = 1.0) -> Mask:
        """The mask of an H x W array: bool, or numbers of which all but 0 are inside.

        Raises:
            ElementTypeError: It has another number of dimensions.
        """
        inside = np.asarray(array) != 0
        if inside.ndim != 2:
            raise ElementTypeError(f"a mask is H x W, got shape {inside.shape}")
        flat = np.concatenate([[False], inside.ravel(order="F")])
        starts = np.flatnonzero(flat[1:] != flat[:-1])
        counts = np.diff(np.concatenate([[0], starts, [inside.size]]))
        height, width = inside.shape
        return cls(height, width, counts.tolist(), score)

    def array(self) -> npt.NDArray[np.bool_]:
        """H x W bool.

        Raises:
            ElementTypeError: The runs are not of so many pixels.
        """
        runs = np.asarray(self.counts, np.int64).reshape(-1)
        if (runs < 0).any() or runs.sum() != self.height * self.width:
            raise ElementTypeError(
                f"runs of {runs.sum()} pixels in a mask of {self.width}x{self.height}"
            )
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return flat.reshape((self.height, self.width), order="F")

    @property
    def area(self) -> int:
        """How many pixels are inside."""
        return sum(self.counts[1::2])


if TYPE_CHECKING:
    Embedding = npt.NDArray[np.float32]
else:

    class Embedding:
        """Annotation of embeddings: float32 arrays with one dimension.

        ``Embedding[512]`` are those of 512 numbers, a list of a fixed size in Parquet;
        with ``Embedding`` alone the length may be any. With type checkers, the same is
        ``Annotated[NDArray[numpy.float32], Shape(512)]``.

        Examples:
            >>> from beam_scanner.types import get_type_info
            >>> str(get_type_info(Embedding[512]).arrow_type)
            'fixed_size_list<item: float>[512]'
        """

        def __class_getitem__(cls, size: int) -> Any:
            return Annotated[npt.NDArray[np.float32], Shape(size)]
