"""Reads Dockerfiles."""

from __future__ import annotations

import re
import shlex

from tests.support.folders import ROOT

FOLDER = ROOT / "templates" / "dataflow"

Instruction = tuple[str, str]


def instructions(name: str) -> list[Instruction]:
    """The instructions of ``NAME.Dockerfile``, with arguments filled in."""
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[Instruction] = []
    args: dict[str, str] = {}
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "ARG":
            key, _, value = rest.partition("=")
            args[key] = value
        if word == "FROM":
            rest = re.sub(r"\$\{(\w+)\}", lambda match: args[match[1]], rest)
        found.append((word, rest.strip()))
    return found


def variables(name: str) -> dict[str, str]:
    """What the image sets in the environment."""
    pairs = (rest.partition("=") for word, rest in instructions(name) if word == "ENV")
    return {key: value for key, _, value in pairs}


def copied(name: str) -> list[str]:
    """What is copied from the checkout."""
    sources = []
    for word, rest in instructions(name):
        if word == "COPY" and not rest.startswith("--from="):
            sources += shlex.split(rest)[:-1]
    return sources
