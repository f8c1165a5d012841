"""The command ``beam-scanner``, and ``python -m pipeline`` in a checkout."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.cli.args import (
    COMMANDS,
    DONE,
    INTERRUPTED,
    PROGRAM,
    SOME_FAILED,
    WRONG,
    database_parser,
    ops_parser,
    parse_run,
    run_parser,
)
from beam_scanner.cli.output import print_exception, printable_warnings, put
from beam_scanner.errors import (
    ArgumentError,
    JobFailure,
    ScannerException,
    WorkerError,
    did_you_mean,
)
from beam_scanner.run.early_start import start_early
from beam_scanner.text.error_text import one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Its arguments; those of the process if None.

    Returns:
        The exit code: 0 done, 1 some streams failed, 2 an argument, an input, an op
        or the output is wrong and nothing was run (of a graph of several runs, no
        more of them), 130 interrupted.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        sys.excepthook = print_exception
    try:
        with printable_warnings():
            return _dispatch(given)
    except JobFailure as error:
        # A graph of the user's has called sc.run itself.
        put(f"{PROGRAM}: {error}", error=True)
        return SOME_FAILED
    except WorkerError as error:
        _complain(error)
        return SOME_FAILED
    except ScannerException as error:
        _complain(error)
        return WRONG
    except KeyboardInterrupt:
        _complain("interrupted; run the same command again to resume")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it, as ``head`` does. Python must not
        # try to write what is still buffered when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _complain(error: object) -> None:
    put(f"{PROGRAM}: {one_line(str(error))}", error=True)


def _dispatch(given: list[str]) -> int:
    if given[:1] == ["--untrusted"] and given[1:2] and given[1] in COMMANDS:
        # Before the command, as after it.
        given = [given[1], "--untrusted", *given[2:]]
    command, rest = "run", given
    if given and given[0] in COMMANDS:
        command, rest = given[0], given[1:]
    if given and given[0] == "--version":
        from beam_scanner.text.version import __version__

        put(f"{PROGRAM} {__version__}")
        return DONE
    if command in ("run", "explain"):
        if given and given[0] != command and not _may_be_video(given[0]):
            near = did_you_mean(given[0], COMMANDS)
            raise ArgumentError(
                f"there is no command {given[0]!r}, nor a video of that name"
                + (near or f"; commands are {', '.join(COMMANDS)}")
            )
        whole = not given or given[0] in ("-h", "--help")
        parser = run_parser(command, every_command=whole)
        if _wants_help(rest):
            parser.print_help()
            return DONE
        args, flags = parse_run(parser, rest)
        # Users' modules may change where workers find modules, and what those need
        # would be loaded a second time.
        if command == "run" and not args.load and args.graph in (None, "shots"):
            start_early(flags, len(args.input), args.input, sampled=bool(args.ops))
        import_beam()
        from beam_scanner.cli.run_command import run_command

        return run_command(args, flags, command == "explain")
    if command == "export":
        from beam_scanner.cli.export_command import export_command, export_parser

        parser = export_parser()
    else:
        parser = ops_parser() if command == "ops" else database_parser(command)
    if _wants_help(rest):
        parser.print_help()
        return DONE
    if command == "export":
        export_command(parser.parse_args(rest))
        return DONE
    if command == "ops":
        import_beam()
        from beam_scanner.cli.ops_list import ops_command

        ops_command(parser.parse_args(rest))
        return DONE
    if command in ("jobs", "cancel"):
        import_beam()
        from beam_scanner.cli.jobs import cancel_command, jobs_command

        carry_out = {"jobs": jobs_command, "cancel": cancel_command}
        carry_out[command](parser.parse_args(rest))
        return DONE
    from beam_scanner.cli import database, failures

    carry_out = {
        "failures": failures.failures_command,
        "ls": database.list_command,
        "show": database.show_command,
        "rm": database.remove_command,
        "gc": database.gc_command,
    }
    carry_out[command](parser.parse_args(rest))
    return DONE


def _may_be_video(argument: str) -> bool:
    """Whether the first argument, which is not a command, is an option or a video."""
    return (
        argument.startswith("-")
        or any(sign in argument for sign in "./*?[")
        or os.path.exists(argument)
    )


def _wants_help(rest: Sequence[str]) -> bool:
    return "-h" in rest or "--help" in rest
