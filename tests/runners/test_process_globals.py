"""What a whole process shares is after an import, and after a run, as it was before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import atexit, gc, json, locale, logging, os, signal, sys, threading, warnings

exits = []
register, unregister = atexit.register, atexit.unregister

def registered(function, *args, **kwargs):
    exits.append(function)
    return register(function, *args, **kwargs)

def unregistered(function):
    exits[:] = [each for each in exits if each != function]
    unregister(function)

atexit.register, atexit.unregister = registered, unregistered

def told(logger):
    return [logger.level, logger.disabled, repr(logger.handlers), repr(logger.filters)]

def own_exits():
    names = [f"{each.__module__}.{each.__qualname__}" for each in exits]
    return [name for name in names if name.startswith("beam_scanner")]

def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask

def state():
    return {
        "record factory": repr(logging.getLogRecordFactory()),
        "root logger": told(logging.getLogger()),
        "disabled logs": logging.root.manager.disable,
        "logger class": repr(logging.getLoggerClass()),
        "Beam's loggers": {
            name: told(logger)
            for name, logger in sorted(logging.root.manager.loggerDict.items())
            if name.startswith("apache_beam") and isinstance(logger, logging.Logger)
            and told(logger) != told(logging.Logger("new"))
        },
        "exceptions": [
            repr(hook)
            for hook in (sys.excepthook, sys.unraisablehook, threading.excepthook)
        ],
        "tracing": repr([sys.gettrace(), threading.gettrace(), sys.getprofile()]),
        "signals": {
            number.name: repr(signal.getsignal(number))
            for number in signal.valid_signals() if isinstance(number, signal.Signals)
        },
        "wakeup": wakeup(),
        "warnings": repr([warnings.formatwarning, warnings.showwarning]),
        "standard files": repr([sys.stdin, sys.stdout, sys.stderr, sys.displayhook]),
        "environment": dict(os.environ),
        "arguments": sys.argv,
        "path": sys.path,
        "import hooks": repr([sys.meta_path, sys.path_hooks]),
        "folder": os.getcwd(),
        "umask": umask(),
        "recursion": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "locale": locale.setlocale(locale.LC_ALL),
        "garbage": [gc.isenabled(), gc.get_threshold()],
        "exits": own_exits(),
    }

def wakeup():
    number = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(number)
    return number

# What Beam, NumPy and others change is theirs.
import apache_beam, apache_beam.runners, av, numpy, pandas, tqdm
for handler in list(logging.getLogger().handlers):
    logging.getLogger().removeHandler(handler)
states = {"before": state()}

from typing import Any
import beam_scanner
from beam_scanner import Client, NamedStream, PerfParams, register_python_op
from beam_scanner import runners, storage, transforms, video, yaml
from beam_scanner.runners import dataflow, flink, prism, start, worker_pool
states["after import"] = state()

@register_python_op(name="GlobalsAdd")
def add(config, x: Any) -> Any:
    import logging
    logging.getLogger("kernel").warning("a row")
    return x + 1

@register_python_op(name="GlobalsFail")
def fail(config, x: Any) -> Any:
    raise ZeroDivisionError

def run(name, op, *options):
    with Client(db_path=sys.argv[1], options=list(options)) as sc:
        given, made = NamedStream(sc, "in"), NamedStream(sc, name)
        if not given.committed():
            given.save(range(4), Any)
        output = sc.io.Output(getattr(sc.ops, op)(x=sc.io.Input([given])), [made])
        try:
            sc.run(output, PerfParams.manual(1, 1), show_progress=False)
        except beam_scanner.JobFailure:
            assert op == "GlobalsFail"
        else:
            assert list(made.load()) == [1, 2, 3, 4]

MEMORY = ["--direct_running_mode=in_memory"]
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
run("a", "GlobalsAdd", *MEMORY)
states["after a run in memory"] = state()
run("b", "GlobalsFail", *MEMORY)
states["after a failed run in memory"] = state()
if sys.argv[2] == "processes":
    run("c", "GlobalsAdd", *PROCESSES)
    states["after a run with processes"] = state()
    run("d", "GlobalsFail", *PROCESSES)
    states["after a failed run with processes"] = state()
thread = threading.Thread(target=run, args=["e", "GlobalsAdd", *MEMORY])
thread.start()
thread.join()
states["after a run in a thread"] = state()
open(sys.argv[3], "w").write(json.dumps(states))
"""

# A process that loads what workers need is kept for the next run, and is ended on exit.
SERVER = "beam_scanner.forks.fork_client._end_servers"
SERVER_IS_THERE = (
    "after a run with processes",
    "after a failed run with processes",
    "after a run in a thread",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers",
    ["memory", pytest.param("processes", marks=pytest.mark.processes)],
)
def test_globals_stay_as_they_are(workers: str, tmp_path: Path) -> None:
    found = tmp_path / "states.json"
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    command += [str(tmp_path / "db"), workers, str(found)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    states: dict[str, dict[str, Any]] = json.loads(found.read_text())
    before = states.pop("before")
    assert len(states) == (4 if workers == "memory" else 6)
    for when, state in states.items():
        has_server = workers == "processes" and when in SERVER_IS_THERE
        assert state.pop("exits") == [SERVER] * has_server, when
        changed = {
            name: (before[name], value)
            for name, value in state.items()
            if value != before[name]
        }
        assert changed == {}, when
