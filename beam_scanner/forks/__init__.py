"""Processes that are there at once: forks of one that has loaded what they need.

Nothing here loads Beam, so what needs none can have such processes, too.
"""
