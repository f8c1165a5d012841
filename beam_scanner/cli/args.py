"""What the command takes: options, help, and Beam's own flags."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.errors import ArgumentError
from beam_scanner.rows.samplers import SAMPLERS
from beam_scanner.video.decoder_names import DECODERS

PROGRAM = "beam-scanner"

DEFAULT_DATABASE = "beam_scanner_db"
"""Where results are kept if ``--output`` does not say; in the current folder."""

DEFAULT_NAME = "{output}/{input}"
"""How outputs are named if ``--name`` does not say."""

DONE, SOME_FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

COMMANDS = {
    "run": "run a graph over videos (the default: 'run' may be left out)",
    "explain": "say what run would do: rows, tasks, frames to decode, bytes to read",
    "ops": "list ops, samplers and their arguments, or describe one",
    "ls": "list the streams of a database",
    "show": "what a stream is, its files and its first rows",
    "export": "write streams as files that other programs open",
    "jobs": "the runs of a database that go on, and how far they are",
    "cancel": "end a run; the same run again goes on where it was",
    "failures": "what failed in the runs of a database, and why",
    "rm": "remove streams",
    "gc": "remove files that no stream needs",
}

_RUN_EXAMPLES = """\
examples:
  {program} film.mp4
      find the shots of a film; leaves a contact sheet and a preview in {database}
  {program} --input 'films/**/*.mp4' --output db --ops 'Stride(8) | Histogram()'
      a histogram of every eighth frame of every film
  {program} --input films --output db --graph my_graphs.py:faces --cache-mode ignore
      a function of your own, for the films whose results are not there yet
  {program} explain --input film.mp4 --output db --ops 'Gather([5, 90])'
      what that would decode

Re-running a run that was stopped resumes it.

Flags that are not listed are Beam's: --runner=DirectRunner (the default: all cores of
this machine), --direct_num_workers=4, --direct_running_mode=in_memory, ... With a runner
elsewhere --no_wait_until_finish submits the run and returns.

exit codes: 0 done, or submitted; 1 some streams failed (they are listed), the others are
committed unless --max-failures stopped the run; 2 an argument, an input, an op or the
output is wrong, and nothing was run (of a graph of several runs, as shots is, no more
of them); 130 interrupted.
"""


def ops_help() -> str:
    """What ``--help`` says of ``--ops``."""
    return (
        "ops and samplers, joined by '|': 'Stride(8) | Resize(width=320, height=180) | "
        f"Histogram()'. Values are literals. Samplers: {', '.join(SAMPLERS)}; groups: "
        "Slice(all(50)) ... Unslice(); at the end lossless() or "
        "compress_video(quality=20)"
        f". '{PROGRAM} ops' lists them"
    )


class Parser(argparse.ArgumentParser):
    """Raises errors instead of leaving the program."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )

    def error(self, message: str) -> NoReturn:
        """See the class."""
        raise ArgumentError(f"{message} (see {self.prog} --help)")


def run_parser(command: str, every_command: bool = False) -> Parser:
    """The parser of ``run`` and ``explain``.

    Args:
        command: Which of them.
        every_command: Let the help list all commands.
    """
    listed = "\n".join(f"  {name:9}{text}" for name, text in COMMANDS.items())
    about = (
        f"Computation graphs over video.\n\ncommands:\n{listed}\n\n"
        f"'{PROGRAM} COMMAND --help' says more of each. Options of run:"
        if every_command
        else f"{COMMANDS[command]}."
    )
    parser = Parser(
        prog=PROGRAM if every_command else f"{PROGRAM} {command}",
        usage=f"{PROGRAM}{'' if command == 'run' else ' ' + command} "
        "VIDEO [VIDEO ...] [--output DATABASE]\n"
        f"{'':7}[--graph GRAPH | --ops OPS] [options] [Beam's flags]",
        description=about,
        epilog=_RUN_EXAMPLES.format(program=PROGRAM, database=DEFAULT_DATABASE),
    )
    _add_data(parser)
    _add_untrusted(parser)
    _add_graph(parser)
    _add_work(parser)
    return parser


def _add_data(parser: Parser) -> None:
    data = parser.add_argument_group("videos and streams")
    data.add_argument(
        "--input",
        nargs="+",
        action="extend",
        default=[],
        metavar="VIDEO",
        help="files, patterns ('films/**/*.mp4'; quoted, so that the shell leaves them "
        "alone) and folders, here or in buckets (gs://, s3://); a stream is named after "
        "the path below the part without wildcards; '--input' may be left out",
    )
    data.add_argument(
        "--output",
        metavar="DATABASE",
        default=DEFAULT_DATABASE,
        help="the database's folder, or its URL; default: %(default)s, in the current "
        "folder",
    )
    data.add_argument(
        "--name",
        default=DEFAULT_NAME,
        metavar="TEMPLATE",
        help="names of output streams, from {output} (the output's name in the graph), "
        "{input} (the input stream's) and {stem} (that without extension); default: "
        "%(default)s",
    )
    data.add_argument(
        "--reindex",
        action="store_true",
        help="index the videos again, for files that have changed",
    )


def _add_graph(parser: Parser) -> None:
    group = parser.add_argument_group("what to compute")
    graph = group.add_mutually_exclusive_group()
    graph.add_argument(
        "--graph",
        metavar="GRAPH",
        help="MODULE:FUNCTION, FILE.py:FUNCTION, or one that is built in: shots (the "
        "default: shot boundaries, one thumbnail a shot, histograms)",
    )
    graph.add_argument("--ops", metavar="OPS", help=ops_help())
    _add_load(group)
    shots = parser.add_argument_group("how shots are found, in the graph shots")
    shots.add_argument(
        "--detector",
        metavar="NAME",
        help="local (the default), adaptive, content, histogram, threshold, or "
        "transnetv2, which needs weights of a package",
    )
    shots.add_argument(
        "--threshold",
        type=_number,
        metavar="X",
        help="of the detector: lower finds more; each has a default of its own",
    )
    shots.add_argument(
        "--floor",
        type=_number,
        metavar="X",
        help="of local and adaptive: the least change of colors, 0 to 255",
    )
    shots.add_argument(
        "--min-length",
        "--min_length",
        type=_count,
        metavar="ROWS",
        help="least rows of a shot",
    )


def _add_load(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--load",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a module, or FILE.py, first, for the ops that it registers",
    )


def ops_parser() -> Parser:
    """The parser of ``ops``."""
    parser = Parser(
        prog=f"{PROGRAM} ops", description=f"{COMMANDS['ops'].capitalize()}."
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="an op or a sampler; default: list all"
    )
    _add_load(parser)
    return parser


def _add_untrusted(parser: Parser, also: str = "") -> None:
    parser.add_argument(
        "--untrusted",
        action="store_true",
        help="never unpickle what the database holds, which would run whatever code it "
        f"names{f' ({also})' if also else ''}",
    )


def _add_work(parser: Parser) -> None:
    group = parser.add_argument_group("how to run")
    group.add_argument(
        "--cache-mode",
        "--cache_mode",
        choices=("error", "ignore", "overwrite"),
        default="error",
        help="what to do about outputs that exist: refuse to run, skip those that hold "
        "exactly this result, or replace them; default: %(default)s",
    )
    group.add_argument(
        "--work-packet-size",
        "--work_packet_size",
        type=_count,
        metavar="ROWS",
        help="rows in memory at a time; never changes a result",
    )
    group.add_argument(
        "--io-packet-size",
        "--io_packet_size",
        type=_count,
        metavar="ROWS",
        help="rows of a task, about; default: as many as decode well together",
    )
    group.add_argument(
        "--decoder",
        choices=DECODERS,
        default="cpu",
        help="where videos are decoded: cpu, or cuda for the GPUs of workers, whose "
        "pixels are slightly others; default: %(default)s",
    )
    group.add_argument(
        "--max-failures",
        "--max_failures",
        type=_most,
        metavar="N",
        help="stop once more streams than this have failed, or more than this share of "
        "them (0.05); default: never",
    )
    group.add_argument(
        "--task-timeout",
        "--task_timeout",
        type=_number,
        metavar="SECONDS",
        help="end an attempt at a task that takes longer, and try again; default: no "
        "limit",
    )
    group.add_argument(
        "--max-attempts",
        "--max_attempts",
        type=int,
        metavar="N",
        help="how often a task is tried before its stream fails; default: 3",
    )
    group.add_argument(
        "--quiet", action="store_true", help="no progress and no summary; errors only"
    )


def parse_run(
    parser: Parser, rest: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """Reads the arguments of ``run`` or ``explain``.

    Returns:
        The command's own arguments, and Beam's flags.

    Raises:
        ArgumentError: One is missing, unknown or wrong.
    """
    first = next((i for i, a in enumerate(rest) if a.startswith("-")), len(rest))
    args, flags = parser.parse_known_args(list(rest[first:]))
    # First: an argument that seems to be missing may be misspelt.
    flags, last = check_beam_flags(parser, flags)
    args.input = [*rest[:first], *args.input, *last]
    if not args.input:
        parser.error(f"no video is given; it is '{PROGRAM} film.mp4'")
    if not args.output:
        parser.error("--output is empty")
    return args, flags


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def _most(text: str) -> float:
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        number = -1
    if number < 0 or (isinstance(number, float) and not 0 < number < 1):
        raise argparse.ArgumentTypeError(
            f"expected a number of streams, or a share such as 0.05, got {text!r}"
        )
    return number


def database_parser(command: str) -> Parser:
    """The parser of a command about a database."""
    parser = Parser(
        prog=f"{PROGRAM} {command}", description=f"{COMMANDS[command].capitalize()}."
    )
    if command in ("ls", "jobs", "failures"):
        parser.add_argument(
            "database",
            nargs="?",
            metavar="DATABASE",
            default=DEFAULT_DATABASE,
            help="its folder or URL; default: %(default)s",
        )
    else:
        parser.add_argument("database", metavar="DATABASE", help="its folder or URL")
    _add_untrusted(parser, f"{PROGRAM} {command} never does")
    if command == "ls":
        parser.add_argument(
            "pattern", nargs="?", metavar="PATTERN", help=f"{_PATTERN}; default: all"
        )
    elif command == "show":
        parser.add_argument("name", metavar="STREAM", help="the stream's name")
        parser.add_argument(
            "--rows",
            type=_count,
            default=5,
            metavar="N",
            help="how many rows to print; default: %(default)s",
        )
    elif command == "cancel":
        parser.add_argument(
            "run",
            type=_count,
            metavar="ID",
            help=f"its number, as '{PROGRAM} jobs' shows it",
        )
    elif command == "failures":
        parser.add_argument(
            "--run",
            metavar="RUN",
            help="which run, by the start of its name or its time; default: the latest",
        )
        parser.add_argument(
            "--all", action="store_true", help="a line for each failure, not each cause"
        )
        parser.add_argument(
            "--traceback", action="store_true", help="that, and every traceback"
        )
    elif command == "rm":
        parser.add_argument("pattern", nargs="+", metavar="PATTERN", help=_PATTERN)
    elif command == "gc":
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what would go"
        )
        parser.add_argument(
            "--unfinished",
            action="store_true",
            help="also the work of stopped runs, which they could resume from; not "
            "while a run is active",
        )
    return parser


_PATTERN = "names, or patterns such as 'histograms/**' (* stays between slashes)"


def check_beam_flags(
    parser: Parser, flags: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Checks the arguments that are meant for Beam.

    Args:
        parser: The command's own.
        flags: The arguments that it does not know.

    Returns:
        Those of Beam, and those that belong to no option: videos.

    Raises:
        ArgumentError: Beam does not know one either, or a value is wrong.
    """
    if not flags:
        return [], []
    import_beam()
    from apache_beam.options.pipeline_options import PipelineOptions

    # Beam knows only the flags of option classes that have been imported.
    import beam_scanner.run.options  # noqa: F401
    from beam_scanner.runners.local.local_run import is_local

    held: list[Any] = []
    options = PipelineOptions([])
    options.get_all_options(add_extra_args_fn=held.append)
    beam = held[0]

    def fail(message: str) -> NoReturn:
        raise ArgumentError(f"{message} (one of Beam's flags)")

    beam.error = fail
    _, unknown = beam.parse_known_args(list(flags))
    local = is_local(PipelineOptions(list(flags)))
    ours = [flag for action in parser._actions for flag in action.option_strings]
    kept, videos = list(flags), []
    for before, flag in zip(["", *unknown], unknown, strict=False):
        # The value of an option that only another runner knows is none of ours.
        is_value = before.startswith("-") and "=" not in before and not local
        if not flag.startswith("-"):
            if not is_value:
                videos.append(flag)
                del kept[len(kept) - 1 - kept[::-1].index(flag)]
            continue
        near = difflib.get_close_matches(flag.partition("=")[0], ours, n=1)
        # Other runners may take flags that Beam's Python SDK does not know.
        if local or near:
            hint = f"; did you mean {near[0]}?" if near else ""
            name = flag.partition("=")[0]
            raise ArgumentError(f"there is no option {name!r}{hint}")
    return kept, videos
