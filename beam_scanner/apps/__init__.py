"""Programs that ship: graphs that the command runs by name."""

BUILT_IN = {"shots": "beam_scanner.apps.shots:shots"}
"""Where each graph is that has a name of its own: ``module:function``."""
