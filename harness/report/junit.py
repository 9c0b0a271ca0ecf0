"""`junit.xml`: the tests of a run for a CI server, written from our own evidence.

pytest's own file counts sub-tests as tests and knows nothing of lines that other processes recorded. One test case is
the last line of one (test, check, subject). Measured lines are figures, not tests: they go to `system-out`, so that
nothing measured is counted as a pass. `flaky` is written as `skipped`: it is no pass, and whether it stops the
release is the policy's word, not JUnit's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.model import Evidence, Outcome
from harness.report.findings import first_text, interval_of, texts
from harness.report.sources import RunFiles
from harness.report.text import amount, number, one_line, plain
from harness.run import replace_file

_MESSAGE = 2_000
_OUTPUT = 60_000
_WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY, Outcome.SKIP, Outcome.PASS)


def write_junit(run: RunFiles) -> Path:
    """Write the run's `junit.xml`; returns its path."""
    root = ET.Element("testsuites", name=_name(run.facts.target or "no target"))
    suites: dict[str, list[Evidence]] = {}
    for line in run.evidence:
        suites.setdefault(line.suite, []).append(line)
    elements = [_suite(name, lines) for name, lines in sorted(suites.items())]
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(element.get(count, "0")) for element in elements)))
    root.extend(elements)
    ET.indent(root, " ")
    path = run.path / "junit.xml"
    replace_file(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    return path


def last_attempts(lines: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Of the lines of one (test, check, subject) the worst of the last attempt (DESIGN 4.2).

    Lines without a test stand for themselves. An attempt that was to be repeated and never was counts as the last.
    """
    groups: dict[object, list[Evidence]] = {}
    for line in lines:
        if line.outcome is not Outcome.MEASURED:
            groups.setdefault((line.test, line.check, line.subject) if line.test else line.seq, []).append(line)
    return tuple(_final(group) for group in groups.values())


def _final(group: Sequence[Evidence]) -> Evidence:
    attempt = group[-1].detail.get("attempt")
    last = [line for line in group if line is group[-1] or (attempt and line.detail.get("attempt") == attempt)]
    return min(last, key=lambda line: _WORST_FIRST.index(line.outcome))


def _suite(name: str, lines: list[Evidence]) -> ET.Element:
    cases = last_attempts(lines)
    outcomes = [line.outcome for line in cases]
    suite = ET.Element(
        "testsuite",
        name=_name(name),
        tests=str(len(cases)),
        failures=str(outcomes.count(Outcome.FAIL)),
        errors=str(outcomes.count(Outcome.ERROR)),
        skipped=str(outcomes.count(Outcome.SKIP) + outcomes.count(Outcome.FLAKY)),
        time=f"{sum(_seconds(line) for line in cases):.6f}",
        timestamp=lines[0].at[:19],
    )
    suite.extend(_case(line) for line in cases)
    figures = [_figure(line) for line in lines if line.outcome is Outcome.MEASURED]
    if figures:
        ET.SubElement(suite, "system-out").text = plain("\n".join(figures), _OUTPUT)
    return suite


def _case(line: Evidence) -> ET.Element:
    file, _, test = (line.test or "").partition("::")
    case = ET.Element(
        "testcase",
        classname=_name(file.removesuffix(".py").replace("/", ".") or line.suite),
        name=_name(
            f"{test or line.check} [{line.check}: {line.subject}]" if test else f"{line.check} [{line.subject}]"
        ),
        time=f"{_seconds(line):.6f}",
    )
    message = first_text(line, "message", "reason")
    if line.outcome is Outcome.FAIL:
        _finding(case, "failure", line, message or "the check failed")
    elif line.outcome is Outcome.ERROR:
        _finding(case, "error", line, message or "the check could not be made")
    elif line.outcome is Outcome.SKIP:
        ET.SubElement(case, "skipped", message=one_line(message or "no reason was given", _MESSAGE))
    elif line.outcome is Outcome.FLAKY:
        ET.SubElement(case, "skipped", message=one_line(f"flaky: failed, then passed. {message}".strip(), _MESSAGE))
    return case


def _finding(case: ET.Element, kind: str, line: Evidence, message: str) -> None:
    element = ET.SubElement(case, kind, message=one_line(message, _MESSAGE), type=_name(line.check))
    parts = [message]
    parts += [f"{key}: {text}" for key in ("reason", "expected", "observed", "curl") for text in texts(line, key)]
    parts.append(f"evidence line {line.seq}")
    element.text = plain("\n".join(parts), _OUTPUT)


def _figure(line: Evidence) -> str:
    value = "no value" if line.value is None else amount(line.value, line.unit)
    interval = interval_of(line)
    span = f" [{number(interval[0])}, {number(interval[1])}]" if interval else ""
    statistic = first_text(line, "statistic")
    return one_line(f"{line.seq}: {line.check} {line.subject} {statistic} = {value}{span}, n = {line.n}", _MESSAGE)


def _seconds(line: Evidence) -> float:
    seconds = line.detail.get("seconds")
    return float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 1e9 else 0.0


def _name(text: str) -> str:
    return one_line(text, 500)
