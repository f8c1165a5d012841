"""The questions about packets that every codec answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

UNKNOWN = -1
"""For packets whose number of pictures only decoding shows."""


@dataclass(frozen=True)
class Damage:
    """Damage that a packet shows.

    Attributes:
        reason: A clause for an error message.
        before: Whether something is missing right before the packet, which itself is
            whole.
    """

    reason: str
    before: bool = False


class Bitstream:
    """What the packets of one stream say in their headers.

    This class answers for codecs whose headers are not read here: the container's word
    is taken, and decoding checks it. Each codec overrides what its headers tell.
    Packets are given as memoryviews.

    Args:
        extradata: The stream's decoder configuration; b'' for none.

    Attributes:
        extradata: As given.
        has_messages: Whether packets may hold supplemental messages.
        adds_parameter_sets: Whether a new parameter set leaves those with other bytes
            in force; else it replaces them.
        is_field: Whether the packet that :meth:`damage` saw last holds one field, not
            a frame.
    """

    has_messages: ClassVar[bool] = False
    adds_parameter_sets: ClassVar[bool] = False

    def __init__(self, extradata: bytes) -> None:
        self.extradata = extradata
        self.is_field = False

    @property
    def tells_keyframes(self) -> bool:
        """Whether :meth:`is_keyframe` looks at packets."""
        return type(self)._is_keyframe is not Bitstream._is_keyframe

    def is_keyframe(self, head: memoryview) -> bool:
        """Whether decoding may start at a packet, by its own headers.

        Containers mark too many packets as keyframes: in an MP4 whose table of them is
        gone, all are. Decoders then paint changes of other pictures on grey, without
        an error.

        Args:
            head: The packet's first bytes, at least up to its first slice.
        """
        try:
            return self._is_keyframe(head)
        except (IndexError, ValueError):
            return False

    def _is_keyframe(self, head: memoryview) -> bool:
        """As :meth:`is_keyframe`; may raise where the packet is too short."""
        return True

    def is_recovery_point(self, head: memoryview) -> bool:
        """Whether a keyframe is one of H.264's without an IDR picture (open GOP).

        Later pictures may list earlier ones as references, as long as they do not use
        them; strict decoders take that for an error.
        """
        return False

    def pictures(self, packet: memoryview) -> int:
        """How many pictures a packet holds; :data:`UNKNOWN` where only decoding shows.

        Two fields in one packet are two. Containers have packets that hold none: a
        message alone, parameter sets alone, a frame that is never shown.
        """
        return UNKNOWN

    def is_unreferenced(self, packet: memoryview) -> bool:
        """Whether no other picture needs this one, so that it may be left out."""
        return False

    def damage(self, packet: memoryview) -> Damage | None:
        """What decoders would conceal without a word: damage, or a missing reference.

        Takes each packet of the stream once, in decoding order.
        """
        return None

    def parameter_sets(self, packet: memoryview) -> list[bytes]:
        """Headers in a packet that decoders need for later packets, too."""
        return []

    def configured_sets(self) -> list[bytes]:
        """The parameter sets of the decoder configuration."""
        return [self.extradata]

    def is_configured(self, parameter_set: bytes) -> bool:
        """Whether the decoder configuration has a parameter set."""
        # There may be more before and behind it.
        return parameter_set in self.extradata

    def picture_parameters(self) -> list[bytes] | None:
        """What of the decoder configuration decides how pictures are decoded.

        Streams that agree in it differ, if at all, in what does not touch decoding,
        such as the frame rate that the encoder was given.

        Returns:
            None where that is not known.
        """
        return None

    def join_sets(self, sets: list[bytes]) -> bytes:
        """Parameter sets as they may stand before the data of a packet."""
        return b"".join(sets)

    def without_messages(self, packet: memoryview) -> bytes | None:
        """A packet's bytes without the messages that pictures do not need.

        Returns:
            None where the packet has no message; b'' where nothing else is in it.
        """
        return None
