"""Checks of a pipeline just before Beam translates it, whose errors reach the user.

An error that is raised while Beam pickles a step comes out as ``RuntimeError: Unable to
translate ...``, and what it says is far up in the output. But Beam first asks each
transform whether it groups by key, and what is raised there comes out as it is.

If Beam changes this: errors of pipelines that cannot run, as the one that asks for
``--scanner_db``, are buried under ``Unable to translate``.
"""

from __future__ import annotations

import apache_beam as beam


class CheckedBeforeTranslation(beam.PTransform):  # type: ignore[misc]
    """A transform with a check; to be derived from."""

    def check(self) -> None:
        """Raises an error where the pipeline cannot be run as it stands."""
        raise NotImplementedError

    def runner_api_requires_keyed_input(self) -> bool:
        """What Beam asks of each transform."""
        self.check()
        return False
