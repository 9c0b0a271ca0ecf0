"""Which tests ran which lines of the service: lines and tests are matched by when they ran."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ConfigError
from harness.machine.decoding import Reader
from harness.prove.source.edit import SourceEdit
from harness.pytest_plugin.timeline import SuiteJournal, Timeline

_PYTEST_S = 0.1
"""What a test costs beside its own time."""
TRACER = Path(__file__).with_name("line_tracer.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Epoch:
    """What ran in one process of the service in a short while."""

    command: tuple[str, ...]
    begin: float
    end: float
    files: Mapping[str, tuple[int, ...]]

    @property
    def lines(self) -> Iterator[tuple[str, int]]:
        return ((file, line) for file, lines in self.files.items() for line in lines)


_EPOCH = Reader(_Epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTests:
    """What a healthy run of the suites showed of the service's lines."""

    tests: Mapping[tuple[str, int], frozenset[str]]
    """File and line -> the tests that ran while it did; none for a line that only ran at the service's start."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each test took."""

    @property
    def files(self) -> frozenset[str]:
        """Files that the running service is made of."""
        return frozenset(file for file, _ in self.tests)

    def of(self, edit: SourceEdit, sources: Mapping[str, str]) -> frozenset[str]:
        """The tests that can see an edit: they ran its lines, or lines that say the names which it defines."""
        found: set[str] = set()
        for first, last in ((edit.first, edit.last), edit.runs_at):
            found.update(*(self.tests.get((edit.file, line), ()) for line in range(first, last + 1)))
        if edit.names:
            said = re.compile(rf"\b(?:{'|'.join(map(re.escape, edit.names))})\b")
            for file in self.files & sources.keys():
                for number, line in enumerate(sources[file].splitlines(), start=1):
                    if said.search(line):
                        found |= self.tests.get((file, number), frozenset())
        return frozenset(found)

    def nearest(self, file: str, tests: Iterable[str]) -> tuple[str, ...]:
        """Those tests in the order to try them: first what runs most of the file that few others run, for its time."""
        closeness: dict[str, float] = {}
        for (name, _), runners in self.tests.items():
            if name == file:
                for test in runners:
                    closeness[test] = closeness.get(test, 0.0) + 1 / len(runners)
        worth = {test: closeness.get(test, 0.0) / (_PYTEST_S + self.seconds.get(test, 0.0)) for test in tests}
        return tuple(sorted(worth, key=lambda test: (-worth[test], test)))


def read_line_tests(
    folder: Path, journals: Collection[SuiteJournal], *, besides: Collection[tuple[str, ...]] = ()
) -> LineTests:
    """Match what the tracers wrote in `folder` with when the tests ran.

    `besides` are commands that are no part of the running service, such as those that prepare its data.

    Raises ConfigError where the service's processes told nothing: they are no Python, or are started without their
    environment.
    """
    timelines = [Timeline(journal) for journal in journals]
    found: dict[tuple[str, int], set[str]] = {}
    for epoch in _epochs(folder):
        if epoch.command not in besides:
            owners = frozenset().union(*(one.owners(epoch.begin, epoch.end) for one in timelines))
            for place in epoch.lines:
                found.setdefault(place, set()).update(owners)
    if not found:
        raise ConfigError(
            "no process of the service told which lines it ran: mutants of its source need a service in Python that is"
            " started with its environment kept; for another language write a tracer such as line_tracer.py and a"
            " module of its mistakes that READERS names (both in harness/prove/source)"
        )
    return LineTests(
        tests={place: frozenset(tests) for place, tests in found.items()},
        seconds={span.name: span.end - span.begin for journal in journals for span in journal.tests},
    )


def _epochs(folder: Path) -> Iterator[_Epoch]:
    """All whole lines; a process that was killed may have left half of one."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield _EPOCH.json(line)
