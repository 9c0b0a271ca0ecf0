"""What a run's files say, gathered for people: why this verdict, what is not proven, what nobody asked about.

Counts and lists only. The rulings are the judge's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.model import Decision, Evidence, Outcome, Ruling, Status, Verdict
from harness.report.sources import RunFiles
from harness.report.text import one_line, plural

NOT_PROVEN_ORDER = (
    Status.FAIL,
    Status.INCONCLUSIVE,
    Status.NOT_RUN,
    Status.WAIVED,
    Status.NOT_APPLICABLE,
)

STATUS_WORDS: Mapping[Status, str] = {
    Status.PASS: "pass",
    Status.FAIL: "fail",
    Status.INCONCLUSIVE: "inconclusive",
    Status.NOT_RUN: "not run",
    Status.WAIVED: "waived",
    Status.NOT_APPLICABLE: "not applicable",
}

NO_VERDICT = "NO VERDICT"


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A check with evidence that no criterion of the policy looks at."""

    suite: str
    check: str
    outcomes: tuple[tuple[Outcome, int], ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Tests that were skipped for one reason."""

    reason: str
    subjects: tuple[str, ...]
    lines: tuple[int, ...]


def headline(verdict: Verdict | None) -> str:
    """The one word of the verdict, or that there is none."""
    return verdict.verdict.value if verdict is not None else NO_VERDICT


def why(run: RunFiles) -> str:
    """One sentence: what decided."""
    verdict = run.verdict
    if verdict is None:
        return _why_unjudged(run)
    required = [ruling for ruling in verdict.criteria if ruling.required and ruling.status is not Status.NOT_APPLICABLE]
    if verdict.verdict is Decision.NO_GO:
        failed = _with(required, Status.FAIL)
        return f"{_share(failed, required)} {_verb(failed, 'fails', 'fail')}: {_names(failed)}."
    if verdict.verdict is Decision.INCONCLUSIVE:
        return _why_inconclusive(verdict, required)
    waived = _with(required, Status.WAIVED)
    if waived:
        proven = len(required) - len(waived)
        return (
            f"{proven} of {plural(len(required), 'required criterion', 'required criteria')} proven; "
            f"{len(waived)} waived and not proven: {_names(waived)}."
        )
    return f"{_all_of(required)} proven."


def _why_unjudged(run: RunFiles) -> str:
    facts = run.facts
    if facts.kind not in {"gate", ""} and facts.state == "finished":
        return f"A run of kind {one_line(facts.kind, 40)!r} measures and is not judged; it says nothing of a release."
    if facts.state == "finished":
        return "The run ended but was never judged; nothing in it counts as proven."
    if facts.state == "interrupted":
        return "The run was interrupted before it was judged, so nothing in it counts as proven."
    return (
        "The run has no end: it still goes on, or it was killed before it was judged; nothing in it counts as proven."
    )


def _why_inconclusive(verdict: Verdict, required: Sequence[Ruling]) -> str:
    open_ones = _with(required, Status.INCONCLUSIVE, Status.NOT_RUN)
    held = one_line(verdict.held_back[0].text, 240).rstrip(".") if verdict.held_back else ""
    if open_ones:
        sentence = f"{_share(open_ones, required)} could not be ruled on: {_names(open_ones)}"
        return f"{sentence}. Also held back: {held}." if held else f"{sentence}."
    return (
        f"Held back although no required criterion fails: {held}." if held else "Nothing was proven and nothing failed."
    )


def tally(rulings: Iterable[Ruling]) -> tuple[tuple[Status, int], ...]:
    """How many criteria have each status, in the order pass, then worst first; statuses that none has are left out."""
    counts = Counter(ruling.status for ruling in rulings)
    return tuple((status, counts[status]) for status in (Status.PASS, *NOT_PROVEN_ORDER) if counts[status])


def not_proven(verdict: Verdict) -> tuple[Ruling, ...]:
    """Every criterion that is not `pass`: required ones first, worst first, not applicable ones last."""

    def rank(ruling: Ruling) -> tuple[bool, bool, int]:
        return (
            ruling.status is Status.NOT_APPLICABLE,
            not ruling.required,
            NOT_PROVEN_ORDER.index(ruling.status),
        )

    return tuple(sorted((each for each in verdict.criteria if each.status is not Status.PASS), key=rank))


def uncovered(run: RunFiles) -> tuple[Uncovered, ...]:
    """Checks with evidence that no criterion selects; empty where the run has no policy."""
    if run.policy is None:
        return ()
    criteria = [each for each in run.policy.criteria if each.target in {None, run.facts.target}]
    asked: dict[tuple[str, str, str], bool] = {}
    counts: dict[tuple[str, str], Counter[Outcome]] = {}
    for line in run.evidence:
        if line.superseded:
            continue
        key = (line.suite, line.check, line.subject)
        if key not in asked:
            asked[key] = any(criterion.select.matches(line) for criterion in criteria)
        if not asked[key]:
            counts.setdefault((line.suite, line.check), Counter())[line.outcome] += 1
    return tuple(
        Uncovered(suite, check, tuple(sorted(outcomes.items()))) for (suite, check), outcomes in sorted(counts.items())
    )


def skipped(run: RunFiles) -> tuple[Skipped, ...]:
    """Skips by reason, the most frequent first."""
    by_reason: dict[str, list[Evidence]] = {}
    for line in run.evidence:
        if line.outcome is Outcome.SKIP and not line.superseded:
            reason = line.says or "no reason was given"
            by_reason.setdefault(one_line(reason, 400), []).append(line)
    groups = [
        Skipped(
            reason,
            tuple(dict.fromkeys(one_line(f"{line.check} · {line.subject}", 160) for line in lines)),
            tuple(line.seq for line in lines),
        )
        for reason, lines in by_reason.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group.lines), group.reason)))


def without_line(run: RunFiles) -> tuple[str, ...]:
    """Tests that were collected and left no line of evidence."""
    seen = {line.test for line in run.evidence}
    return tuple(test for test in run.facts.collected if test not in seen)


def outcome_counts(lines: Iterable[Evidence]) -> Mapping[Outcome, int]:
    """Lines by outcome, earlier attempts left out."""
    return Counter(line.outcome for line in lines if not line.superseded)


def _with(rulings: Sequence[Ruling], *statuses: Status) -> list[Ruling]:
    return [ruling for ruling in rulings if ruling.status in statuses]


def _share(part: Sequence[Ruling], whole: Sequence[Ruling]) -> str:
    return f"{len(part)} of {plural(len(whole), 'required criterion', 'required criteria')}"


def _all_of(required: Sequence[Ruling]) -> str:
    if len(required) == 1:
        return "The one required criterion is"
    return f"All {len(required)} required criteria are"


def _verb(part: Sequence[Ruling], one: str, many: str) -> str:
    return one if len(part) == 1 else many


def _names(rulings: Sequence[Ruling], most: int = 4) -> str:
    names = [one_line(ruling.id, 60) for ruling in rulings]
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return ", ".join(names)
