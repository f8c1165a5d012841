"""What code that goes by name finds in its modules."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from beam_scanner.kernels import read_spec
from tests.support.fingerprinted import users

# --- code ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "import helpers8\ndef op(config, x: bytes) -> bytes: return helpers8.work(x)",
        "from helpers8 import work\ndef op(config, x: bytes) -> bytes: return work(x)",
        "def op(config, x: bytes) -> bytes:\n import helpers8\n return helpers8.work(x)",
        "def op(config, x: bytes) -> bytes:\n from helpers8 import work\n return work(x)",
        (
            "import helpers8\ndef op(config, x: bytes) -> bytes:\n"
            " return getattr(helpers8, 'wo' + 'rk')(x)"
        ),
        (
            "import helpers8\nALL = {'w': helpers8}\n"
            "def op(config, x: bytes) -> bytes: return ALL['w'].work(x)"
        ),
        (
            "import functools, helpers8\nW = functools.partial(helpers8.work)\n"
            "def op(config, x: bytes) -> bytes: return W(x)"
        ),
        (
            "import helpers8\nM = helpers8.Worker()\n"
            "def op(config, x: bytes) -> bytes: return M.work(x)"
        ),
        (
            "import helpers8\nclass C(helpers8.Worker): pass\n"
            "def op(config, x: bytes) -> bytes: return C().work(x)"
        ),
        (
            "import contextlib, helpers8\n"
            "@contextlib.contextmanager\ndef opened(): yield helpers8.work\n"
            "def op(config, x: bytes) -> bytes:\n with opened() as w: return w(x)"
        ),
    ],
)
def test_code_and_data_of_the_users_modules_are_followed(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("helpers8")
    monkeypatch.setitem(sys.modules, "helpers8", module)
    digests = []
    for value, addend in ((1, 2), (1, 3), (2, 2), (1, 2)):
        code = f"LIMIT = {{'t': {value}}}\ndef work(x): return LIMIT['t'] + {addend}\n"
        code += "class Worker:\n def work(self, x): return work(x)\n"
        exec(code, vars(module))
        digests.append(read_spec(users(source)["op"]).digest)
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


def test_attributes_that_a_module_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("helpers8")
    monkeypatch.setitem(sys.modules, "helpers8", module)
    source = "import helpers8\ndef op(config, x: bytes) -> bytes: return helpers8.LIMIT"
    digests = set()
    for value in (1, 2):
        exec(f"def __getattr__(name): return {value}", vars(module))
        digests.add(read_spec(users(source)["op"]).digest)
    assert len(digests) == 2


def test_a_late_import_that_fails_here_counts_by_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "broken8.py"
    op = users("def op(config, x: bytes) -> bytes:\n import broken8\n return b''")["op"]
    digests = []
    for text in ("raise OSError(1)", "raise OSError(1)  # no GPU", "raise OSError(2)"):
        file.write_text(text)
        digests.append(read_spec(op).digest)
    assert digests[0] == digests[1] != digests[2]
