"""How a picture's values are to be shown: what decoding and most ops leave as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

UNSPECIFIED = 2


@dataclass(frozen=True)
class Display:
    """What a file says of its pictures, and the size of those that it says it of.

    Attributes:
        sample_aspect_ratio: Width of a pixel over its height.
        primaries: Number of the colour primaries, as in ITU-T H.273; 2 for unknown.
        transfer: Number of the transfer characteristics, likewise.
        width: Of the pictures, as shown; 0 for any.
        height: As ``width``.
        scales: Whether pictures of another size show the same, scaled. Else they show
            something else, and their pixels are taken for square.

    Examples:
        >>> wide = Display(Fraction(16, 15), width=720, height=576, scales=True)
        >>> wide.of_size(1024, 576).sample_aspect_ratio
        Fraction(3, 4)
    """

    sample_aspect_ratio: Fraction = Fraction(1)
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    width: int = 0
    height: int = 0
    scales: bool = False

    def of_size(self, width: int, height: int) -> Display:
        """What holds of pictures of a size."""
        aspect = self.sample_aspect_ratio
        if self.width and (width, height) != (self.width, self.height):
            stretch = Fraction(self.width * height, self.height * width)
            # An aspect of 1 is, in most files, that of one that does not say.
            kept = self.scales and aspect != 1
            aspect = aspect * stretch if kept else Fraction(1)
        return replace(self, sample_aspect_ratio=aspect, width=width, height=height)
