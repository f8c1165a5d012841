"""Fixtures that several test modules share; its presence puts tests/ on the path."""

from hypothesis import settings

# On a busy machine the time of one example says nothing.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
