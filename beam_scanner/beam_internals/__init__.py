"""Every name of Beam's that its documentation does not promise, behind one door."""
