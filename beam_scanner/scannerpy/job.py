"""The arguments of one stream, as Scanner's older programs keep them."""

from __future__ import annotations

from typing import Any


class Job:
    """Arguments of one stream of a graph, as Scanner's older programs keep them.

    Examples:
        >>> Job({'frames': 'a.mp4'}).op_args()
        {'frames': 'a.mp4'}
    """

    def __init__(self, op_args: dict[Any, Any]) -> None:
        self._op_args = op_args

    def op_args(self) -> dict[Any, Any]:
        """The arguments, by op."""
        return self._op_args
