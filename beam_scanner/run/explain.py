"""Says what a run would do: the planner's own numbers, for people and tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from beam_scanner.planner.forecast import NodeForecast, forecast
from beam_scanner.run.prepare import Prepared
from beam_scanner.text.printable import printable
from beam_scanner.text.quantities import byte_text

_SHOWN_JOBS = 5


@dataclass
class FamilyExplanation:
    """Outputs that are made by the same tasks.

    Attributes:
        phase: When they run; lower phases are done before.
        tasks: How many there are.
        reason: Why they are cut where they are.
        nodes: What each node makes, in topological order.
    """

    phase: int
    tasks: int
    reason: str
    nodes: list[NodeForecast]


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

    def _nodes(self) -> list[NodeForecast]:
        return [n for job in self.jobs for fam in job.families for n in fam.nodes]

    @property
    def tasks(self) -> int:
        """Tasks of all jobs."""
        return sum(fam.tasks for job in self.jobs for fam in job.families)

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
        lines = [
            (
                f"{len(self.jobs)} job(s), {self.phases} phase(s), {self.tasks} task(s); "
                f"{self.work_packet_size} rows at a time"
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
            lines.append(f"\n... and {len(self.jobs) - _SHOWN_JOBS} more jobs")
        return "\n".join(lines)


def _family_lines(family: FamilyExplanation) -> list[str]:
    lines = [f"  phase {family.phase}: {family.tasks} task(s), cut {family.reason}"]
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
    for job in prepared.jobs:
        if not prepared.checked:
            # Runs of very many jobs are checked by their workers.
            job.check()
        families = [
            FamilyExplanation(
                family.phase,
                len(cuts),
                cuts.reason,
                forecast(graph, cuts, prepared.perf.work_packet_size, prepared.decoder),
            )
            for family, graph, cuts in zip(
                job.families, job.graphs, prepared.cuts(job), strict=True
            )
        ]
        jobs.append(JobExplanation(job.record.name, families))
    failures = [str(failure) for failure in prepared.failures.values()]
    return Explanation(jobs, prepared.perf.work_packet_size, failures)
