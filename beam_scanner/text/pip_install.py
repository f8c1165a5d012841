"""The command that installs an extra of this package, from wherever the package is."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NAME = "beam-scanner"


def pip_install(extra: str) -> str:
    """What installs an extra.

    In a checkout that is the checkout itself; if a folder, a file or a repository was
    installed, that one, as pip has noted it.

    Args:
        extra: Its name, as ``opencv``.

    Examples:
        >>> pip_install('opencv').startswith('pip install '), pip_install('s3')[-5:]
        (True, "[s3]'")
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return f"pip install -e {_quoted(checkout, extra)}"
    return f"pip install {_installed_from(extra)}"


def _installed_from(extra: str) -> str:
    """What pip is to be given for the package as it was installed."""
    name = f"{_NAME}[{extra}]"
    try:
        text = distribution(_NAME).read_text("direct_url.json")
        noted = json.loads(text or "{}")
        url, vcs = str(noted.get("url", "")), noted.get("vcs_info", {})
    except (PackageNotFoundError, ValueError, AttributeError):
        url, vcs = "", {}
    if not url:
        return f"'{name}'"
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        return _quoted(path, extra) if path.exists() else f"'{name}'"
    if vcs:
        revision = vcs.get("requested_revision")
        url = f"{vcs.get('vcs', 'git')}+{url}" + (f"@{revision}" if revision else "")
    return shlex.quote(f"{name} @ {url}")


def _quoted(path: Path, extra: str) -> str:
    return shlex.quote(f"{path}[{extra}]")
