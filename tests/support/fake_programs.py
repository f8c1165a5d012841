"""Programs on the path that note how they were called."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

_PROGRAM = """#!{python}
import json, os, sys, time
folder = {folder!r}
name = os.path.basename(sys.argv[0])
with open(os.path.join(folder, "calls"), "a") as file:
    file.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
for words, said, code in json.load(open(os.path.join(folder, "answers"))):
    if all(word in [name, *sys.argv[1:]] for word in words):
        (sys.stderr if code else sys.stdout).write(said)
        sys.stdout.flush()
        if code == -1:
            time.sleep(60)
        sys.exit(code)
"""


class FakePrograms:
    """Programs of these names, first on the path.

    Args:
        folder: Where they are made.
        names: Of the programs.
    """

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self._answers: list[tuple[list[str], str, int]] = []
        (folder / "calls").write_text("")
        (folder / "answers").write_text("[]")
        for name in names:
            path = folder / name
            path.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def path(self) -> str:
        return f"{self.folder}{os.pathsep}/usr/bin{os.pathsep}/bin"

    def answer(self, said: object, *words: str, code: int = 0) -> None:
        """What a call with these words prints, and how it ends."""
        text = said if isinstance(said, str) else json.dumps(said)
        self._answers.insert(0, (list(words), text, code))
        (self.folder / "answers").write_text(json.dumps(self._answers))

    def calls(self) -> list[list[str]]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [json.loads(line) for line in lines]
