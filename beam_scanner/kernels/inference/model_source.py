"""A model as it travels to workers: what the user gave, and the versions of its files."""

from __future__ import annotations

from typing import Any

from beam_scanner.errors import KernelError
from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.kernels.inference.model_kinds import (
    LoadedModel,
    ModelKind,
    model_kind,
)
from beam_scanner.kernels.inference.weights import (
    HERE,
    FilesSeen,
    Version,
    changed_since,
    versions_of,
)


class ModelSource:
    """What op Infer was given for a model.

    Its files are looked at whenever it is pickled, and when it enters a fingerprint: so
    results are made again when they have changed.

    Args:
        given: See ``model_kind``.
        versions: Of its files, where it was pickled.
        seen: Which files these are; None where it was not pickled.

    Raises:
        ArgumentError: It is no model.
    """

    def __init__(
        self,
        given: Any,
        versions: tuple[Version, ...] = (),
        seen: FilesSeen | None = None,
    ) -> None:
        self.given = given
        self.kind: ModelKind = model_kind(given)
        self._versions = versions
        self._seen = seen

    def __reduce__(self) -> Any:
        return ModelSource, (self.given, versions_of(self.given), HERE)

    def __repr__(self) -> str:
        return repr(self.given)

    @classmethod
    def of(cls, given: Any) -> ModelSource:
        """The source of a model, or the source itself."""
        return given if isinstance(given, cls) else cls(given)

    def tag(self) -> str:
        """Equal for models that are loaded alike.

        Not kept: between runs a handler may be given another path.
        """
        return code_digest(self, home="")

    def load(self) -> LoadedModel:
        """Loads the model.

        Raises:
            KernelError: Its files are others than when the run began.
        """
        changed = changed_since(self._versions, self._seen)
        if changed:
            raise KernelError(
                f"{changed!r}, which {self.kind.name} names, has changed since the run "
                "began: leave it as it is until the run is over, then run again"
            )
        return self.kind.load()
