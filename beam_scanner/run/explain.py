"""Says what a run would do: the planner's own numbers, for people and tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from beam_scanner.planner.forecast import NodeForecast, forecast
from beam_scanner.planner.merge_tasks import jobs_at_once
from beam_scanner.run.prepare import Prepared
from beam_scanner.run.short_tasks import ShortTasks
from beam_scanner.text.cards import card, never_raises, note, table
from beam_scanner.text.printable import printable
from beam_scanner.text.quantities import byte_text, counted

_SHOWN_JOBS = 5


@dataclass
class FamilyExplanation:
    """Outputs that are made by the same tasks.

    Attributes:
        phase: When they run; lower phases are done before.
        tasks: How many there are.
        reason: Why they are cut where they are.
        nodes: What each node makes, in topological order.
        shared_by: How many short streams share the task, this one included: it is run
            once for all of them.
    """

    phase: int
    tasks: int
    reason: str
    nodes: list[NodeForecast]
    shared_by: int = 1


@dataclass
class JobExplanation:
    """One job: one stream of each output."""

    name: str
    families: list[FamilyExplanation]


@dataclass
class Explanation:
    """What a run would do.

    Attributes:
        jobs: One for each job that would run.
        work_packet_size: Rows handled at a time.
        failures: Inputs that cannot be read.
    """

    jobs: list[JobExplanation]
    work_packet_size: int
    failures: list[str] = field(default_factory=list)

    @never_raises
    def _repr_html_(self) -> str:
        facts = {
            "jobs": f"{len(self.jobs):,}",
            "tasks": f"{self.tasks:,}",
            "frames needed": f"{self.frames_needed:,}",
            "frames to decode": f"{self.frames_decoded:,}"
            + (f", {self.frames_again:,} of them again" if self.frames_again else ""),
            "to read": byte_text(self.bytes_to_read),
            "cannot be read": "; ".join(self.failures),
        }
        parts = []
        for job in self.jobs[:_SHOWN_JOBS]:
            for family in job.families:
                title = f"{job.name}, phase {family.phase}"
                tasks = f"{family.tasks:,}, cut {family.reason}"
                parts.append(card(title, {"tasks": tasks}, _node_table(family)))
        if len(self.jobs) > _SHOWN_JOBS:
            parts.append(note(f"and {len(self.jobs) - _SHOWN_JOBS:,} more jobs"))
        return card("What a run would do", facts, *parts)

    def _nodes(self) -> list[NodeForecast]:
        return [n for job in self.jobs for fam in job.families for n in fam.nodes]

    @property
    def tasks(self) -> int:
        """Tasks of all jobs."""
        return sum(fam.tasks for job in self.jobs for fam in job.families)

    @property
    def runs(self) -> int:
        """How many times tasks are run: once for all streams that share one."""
        families = [fam for job in self.jobs for fam in job.families]
        return round(sum(fam.tasks / fam.shared_by for fam in families))

    @property
    def phases(self) -> int:
        """Phases, which run one after the other."""
        found = [fam.phase for job in self.jobs for fam in job.families]
        return 1 + max(found, default=-1)

    @property
    def frames_needed(self) -> int:
        """Frames that the graph uses, each counted once a task."""
        return sum(n.decode.needed for n in self._nodes() if n.decode)

    @property
    def frames_decoded(self) -> int:
        """Frames that must be decoded for them."""
        return sum(n.decode.decoded for n in self._nodes() if n.decode)

    @property
    def frames_again(self) -> int:
        """Those of them that are decoded more than once in their task."""
        return sum(n.decode.again for n in self._nodes() if n.decode)

    @property
    def bytes_to_read(self) -> int:
        """Stored bytes of the keyframe groups that are touched: at most so many."""
        return sum(n.bytes for n in self._nodes())

    def __str__(self) -> str:
        runs = f", run as {self.runs}" if self.runs < self.tasks else ""
        lines = [
            (
                f"{counted(len(self.jobs), 'job')}, {counted(self.phases, 'phase')}, "
                f"{counted(self.tasks, 'task')}{runs}; "
                f"{counted(self.work_packet_size, 'row')} at a time"
            ),
            (
                f"frames needed {self.frames_needed}, to decode {self.frames_decoded} "
                f"({self.frames_again} of them again), "
                f"bytes to read {byte_text(self.bytes_to_read)}"
            ),
        ]
        lines += [f"cannot be read: {printable(failure)}" for failure in self.failures]
        for job in self.jobs[:_SHOWN_JOBS]:
            lines.append(f"\n{printable(job.name)}")
            for family in job.families:
                lines += _family_lines(family)
        if len(self.jobs) > _SHOWN_JOBS:
            lines.append(
                f"\n... and {counted(len(self.jobs) - _SHOWN_JOBS, 'more job')}"
            )
        return "\n".join(lines)


def _node_table(family: FamilyExplanation) -> str:
    verb = {"source": "read", "op": "computed", "output": "written"}
    rows = [
        (
            node.label,
            f"{node.rows:,}",
            f"{node.made:,} {verb[node.kind]}",
            "" if node.decode is None else f"{node.decode.decoded:,}",
            node.calls,
        )
        for node in family.nodes
    ]
    return table(["", "rows", "", "frames decoded", "calls"], rows)


def _family_lines(family: FamilyExplanation) -> list[str]:
    tasks = counted(family.tasks, "task")
    lines = [f"  phase {family.phase}: {tasks}, cut {family.reason}"]
    if family.shared_by > 1:
        lines[0] += f"; shared by {family.shared_by} streams, to fill batches"
    labels = [printable(node.label) for node in family.nodes]
    width = max(map(len, labels), default=0)
    for label, node in zip(labels, family.nodes, strict=True):
        text = f"    {node.kind:6}  {label:{width}}  {node.rows:>9} rows"
        verb = {"source": "read", "op": "computed", "output": "written"}[node.kind]
        text += f"  {node.made:>9} {verb}"
        if node.decode is not None:
            text += f"  {node.decode.decoded} frames decoded, {node.decode.seeks} seeks"
        if node.where:
            text += f"  {node.where}"
        if node.calls:
            text += f"  {printable(node.calls)}"
        lines.append(text)
    return lines


def explain(prepared: Prepared) -> Explanation:
    """Counts what a prepared run would do.

    Args:
        prepared: The run.

    Returns:
        The explanation.
    """
    jobs = []
    shared = _shared(prepared)
    for number, job in enumerate(prepared.jobs):
        if not prepared.checked:
            # Runs of very many jobs are checked by their workers.
            job.check()
        families = [
            FamilyExplanation(
                family.phase,
                len(cuts),
                cuts.reason,
                forecast(graph, cuts, prepared.perf.work_packet_size, prepared.decoder),
                shared.get((number, at), 1),
            )
            for at, (family, graph, cuts) in enumerate(
                zip(job.families, job.graphs, prepared.cuts(job), strict=True)
            )
        ]
        jobs.append(JobExplanation(job.record.name, families))
    failures = [str(failure) for failure in prepared.failures.values()]
    return Explanation(jobs, prepared.perf.work_packet_size, failures)


def _shared(prepared: Prepared) -> dict[tuple[int, int], int]:
    """By numbers of a job and a family: how many jobs share its task."""
    at_once = jobs_at_once(node for node, _ in prepared.graph.nodes)
    found = {}
    for start in range(0, len(prepared.jobs), at_once):
        short: ShortTasks[tuple[int, int]] = ShortTasks(prepared.perf.io_packet_size)
        for number, job in enumerate(prepared.jobs[start : start + at_once], start):
            for at, cuts in enumerate(prepared.cuts(job)):
                # Jobs come to later phases one by one.
                if job.families[at].phase == 0:
                    short.add(job, at, cuts, (number, at))
        for group in short.together():
            found.update(dict.fromkeys(group, len(group)))
    return found
