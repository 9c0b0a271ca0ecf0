"""`junit.xml`: the tests of a run for a CI server, written from our own evidence.

pytest's own file counts sub-tests as tests and knows nothing of lines that other processes recorded. One test case is
the last line of one (test, check, subject). Measured lines are figures, not tests: they go to `system-out`, so that
nothing measured is counted as a pass. `flaky` is written as `skipped`: it is no pass, and whether it stops the
release is the policy's word, not JUnit's.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from harness.model import Evidence, Outcome
from harness.report.causes import last_attempts
from harness.report.sources import RunFiles
from harness.report.text import amount, number, one_line, plain
from harness.run import replace_file

_MESSAGE = 2_000
_OUTPUT = 60_000
_FINDINGS = {
    Outcome.FAIL: ("failure", "the check failed"),
    Outcome.ERROR: ("error", "the check could not be made"),
}


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


def _particulars(line: Evidence) -> list[str]:
    """What was expected, what was seen instead, why it matters, what to do and how to see it again, each as a text."""
    told = (
        ("expected", line.expected),
        ("observed", line.observed),
        ("why", (line.why,)),
        ("source", (line.source,)),
        ("remedy", (line.remedy,)),
        ("curl", line.curl),
    )
    return [f"{name}: {text}" for name, texts in told for text in texts if text]


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
        time=f"{sum((line.seconds or 0.0) for line in cases):.6f}",
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
        name=_name(f"{test} [{line.check}: {line.subject}]" if test else f"{line.check} [{line.subject}]"),
        time=f"{(line.seconds or 0.0):.6f}",
    )
    match line.outcome:
        case Outcome.FAIL | Outcome.ERROR:
            _finding(case, line)
        case Outcome.SKIP:
            _skipped(case, line.says or "no reason was given")
        case Outcome.FLAKY:
            _skipped(case, f"flaky: failed, then passed. {line.says}".strip())
    return case


def _skipped(case: ET.Element, message: str) -> None:
    ET.SubElement(case, "skipped", message=one_line(message, _MESSAGE))


def _finding(case: ET.Element, line: Evidence) -> None:
    kind, what = _FINDINGS[line.outcome]
    message = line.says or what
    element = ET.SubElement(case, kind, message=one_line(message, _MESSAGE), type=_name(line.check))
    parts = [message]
    parts += [f"reason: {line.reason}"] if line.reason else []
    parts += [*_particulars(line), f"evidence line {line.seq}"]
    element.text = plain("\n".join(parts), _OUTPUT)


def _figure(line: Evidence) -> str:
    value = "no value" if line.value is None else amount(line.value, line.unit)
    span = f" [{number(line.interval[0])}, {number(line.interval[1])}]" if line.interval else ""
    figure = f"{line.seq}: {line.check} {line.subject} {line.statistic or ''} = {value}{span}, n = {line.n}"
    return one_line(figure, _MESSAGE)


def _name(text: str) -> str:
    return one_line(text, 500)
