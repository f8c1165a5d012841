"""Builds the ops in C; every other fact is in pyproject.toml.

The library is opened with ctypes: it belongs to no version of Python. Where there is no
compiler the package is installed without it.
"""

from __future__ import annotations

import os

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FOLDER = "beam_scanner/ops/native"
INTERFACE = "beam_scanner/kernels/native"


class BuildLibrary(build_ext):
    """Names the library as ctypes finds it."""

    def get_ext_filename(self, fullname: str) -> str:
        """A plain name, without that of an interpreter."""
        return os.path.join(*fullname.split(".")) + ".so"

    def is_built(self) -> bool:
        """Whether the library is there."""
        return all(map(os.path.isfile, self.get_outputs()))


class Wheel(bdist_wheel):
    """One wheel for all versions of Python, and for all machines without the library."""

    def get_tag(self) -> tuple[str, str, str]:
        """The tag of the wheel."""
        if not self.get_finalized_command("build_ext").is_built():
            return "py3", "none", "any"
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            f"{FOLDER.replace('/', '.')}.libbeam_scanner_ops",
            [f"{FOLDER}/beam_scanner_ops.c"],
            depends=[
                f"{FOLDER}/histogram_blocks.h",
                f"{INTERFACE}/beam_scanner_op.h",
            ],
            include_dirs=[INTERFACE],
            extra_compile_args=["-O3", "-fvisibility=hidden"],
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": Wheel},
)
