"""Names of Beam's that its documentation does not promise, behind one door.

No other room imports Beam's internal modules, or reads and sets what Beam keeps for
itself. Each module here is one topic, says what breaks if Beam changes it, and has a
test of its own that fails with the new version first. What differs between the Beam
versions that are supported is settled here too.
"""
