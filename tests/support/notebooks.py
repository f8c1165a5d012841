"""Notebooks that tests execute."""

from __future__ import annotations

from typing import Any


def execute(book: Any, **options: Any) -> None:
    """Executes the cells of a notebook, which gets their outputs.

    Args:
        book: The notebook.
        options: Of ``NotebookClient``.
    """
    # Here, since where they are missing, tests are skipped.
    import nbclient
    from traitlets.config import Config

    # Ports are chosen before the kernel is started: others may have taken one by then.
    no_ports = Config({"KernelManager": {"transport": "ipc"}})
    nbclient.NotebookClient(
        book,
        timeout=300,
        startup_timeout=300,
        kernel_name="python3",
        config=no_ports,
        **options,
    ).execute()
