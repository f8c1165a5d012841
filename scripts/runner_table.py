"""The table of runners and features, from the results of the tests of all runners.

pytest tests/runners --junitxml=runners.xml
python scripts/runner_table.py runners.xml           prints it
python scripts/runner_table.py runners.xml README.md puts it into a file, between
                                                     the lines that mark its place
"""

from __future__ import annotations

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

COLUMNS = {
    "memory": "in memory",
    "threads": "threads",
    "processes": "processes",
    "prism": "Prism",
    "flink-embedded": "Flink, embedded",
    "flink-cluster": "Flink, cluster",
    "dataflow": "Dataflow",
}
SAME_BYTES = "test_a_feature"
ALL_SLOTS = "test_one_video_is_worked_on_by_all"
GRAPH = "test_the_graph_of_a_feature"
WHOLE = {
    "test_the_example": "an example, written to Parquet",
    "test_rows_are_grouped": "Beam's SQL over rows that left",
}
FAULTS = {
    "test_a_task_manager_is_killed": ("a killed TaskManager", "flink-cluster"),
    "test_a_process_dies_and_its_task_is_run_again": (
        "a killed worker's task is run again",
        "flink-cluster",
    ),
}
BEGIN, END = "<!-- runners -->", "<!-- end of runners -->"

_NAME = re.compile(r"(\w+)(?:\[(.*)\])?(?:@.*)?")

Results = dict[str, dict[str, list[bool]]]


def read_results(path: Path) -> Results:
    """For each feature and runner, whether each of its tests passed."""
    found: Results = defaultdict(lambda: defaultdict(list))
    for case in ElementTree.parse(path).iter("testcase"):
        match = _NAME.fullmatch(case.get("name", ""))
        passed = not any(case.find(t) is not None for t in ("failure", "error"))
        if match is None or case.find("skipped") is not None:
            continue
        name, values = match[1], match[2] or ""
        runner = next((c for c in COLUMNS if f"{values}-".startswith(f"{c}-")), None)
        if name in FAULTS:
            feature, runner = FAULTS[name]
            found[feature][runner].append(passed)
        elif name == GRAPH:
            found[values]["dataflow"].append(passed)
        elif runner is not None and name in WHOLE:
            found[WHOLE[name]][runner].append(passed)
        elif runner is not None and name == SAME_BYTES:
            feature = values.removeprefix(f"{runner}-").rpartition("-")[0]
            found[feature][runner].append(passed)
        elif runner is not None and name == ALL_SLOTS:
            shots = "-True-" in values
            feature = "one video on all slots" + (", its shots too" if shots else "")
            found[feature][runner].append(passed)
    return found


def table(results: Results) -> str:
    """A Markdown table: NO where a test did not pass, yes where all did.

    Of Dataflow the job's graph is all that is tested, so there is no more than that.
    """
    heads = ["", *COLUMNS.values()]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for feature, runners in results.items():
        cells = [_cell(column, runners.get(column, [])) for column in COLUMNS]
        lines.append(f"| {feature} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(column: str, passed: list[bool]) -> str:
    if not passed:
        return "-"
    good = "graph" if column == "dataflow" else "yes"
    return good if all(passed) else "NO"


def put(text: str, made: str) -> str:
    """The text with the table in its place.

    Raises:
        SystemExit: The text has no such place.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"there are no lines {BEGIN} and {END}")
    return f"{before}{begin}\n{made}\n{end}{after}"


def main() -> None:
    """Prints the table, or puts it into a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("file", type=Path, nargs="?")
    args = parser.parse_args()
    made = table(read_results(args.results))
    if args.file is None:
        sys.stdout.write(f"{made}\n")
    else:
        args.file.write_text(put(args.file.read_text(), made))


if __name__ == "__main__":
    main()
