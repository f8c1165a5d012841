"""A stub for Beam's ``--setup_file``; every fact is in pyproject.toml."""

from setuptools import setup

setup()
