"""`evidence.jsonl`: whole lines, numbered without a gap, whoever writes; a reader that believes nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import BrokenRunError, HarnessError
from harness.machine.redaction import Redactor
from harness.model import Observation, Outcome
from harness.run import EvidenceLog, read_evidence
from tests.stack_target import eventually

RUN = "20260131T093000Z-abc123"


def seen(subject: str = "GET /", **facts) -> Observation:
    given = {"suite": "security", "check": "headers.hsts", "outcome": Outcome.PASS} | facts
    return Observation(subject=subject, **given)


def log_at(path: Path, redact: Redactor | None = None) -> EvidenceLog:
    return EvidenceLog(path, RUN, redact or Redactor())


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "evidence.jsonl"


WRITER = """
import json, sys
from pathlib import Path
from harness.model import Observation, Outcome
from harness.machine.redaction import Redactor
from harness.run import EvidenceLog

def seen(subject, filler):
    detail = {"filler": "x" * filler}
    return Observation(suite="s", check="c", subject=subject, outcome=Outcome.PASS, detail=detail)

for line in sys.stdin:
    path, writer, sizes = json.loads(line)
    log = EvidenceLog(Path(path), sys.argv[1], Redactor())
    for batch, size in enumerate(sizes):
        log.append(seen(f"{writer}.{batch}.{number}", 50 * number) for number in range(size))
    print("done", flush=True)
"""
"""A process that writes what it is told to, batch by batch."""


def start_writer() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def writers() -> Iterator[list[subprocess.Popen[str]]]:
    started = [start_writer() for _ in range(3)]
    yield started
    for writer in started:
        writer.communicate(timeout=30)
        assert writer.returncode == 0


@given(plans=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=20), min_size=2, max_size=3))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_processes_write_whole_lines_numbered_from_one(tmp_path_factory, writers, plans):
    path = tmp_path_factory.mktemp("log") / "evidence.jsonl"
    busy = list(zip(writers, enumerate(plans), strict=False))
    for writer, (number, plan) in busy:
        writer.stdin.write(json.dumps([str(path), number, plan]) + "\n")
        writer.stdin.flush()
    for writer, _ in busy:
        assert writer.stdout.readline() == "done\n"
    reading = read_evidence(path, RUN)
    assert reading.problems == ()
    assert [line.seq for line in reading.lines] == list(range(1, sum(map(sum, plans)) + 1))
    for number, plan in enumerate(plans):
        own = [line.subject for line in reading.lines if line.subject.startswith(f"{number}.")]
        assert own == [f"{number}.{batch}.{line}" for batch, size in enumerate(plan) for line in range(size)]


def test_a_batch_of_one_writer_is_not_interrupted_by_another(path):
    first, second = log_at(path), log_at(path)
    assert first.append([seen("a"), seen("b")]) == (1, 2)
    assert second.append([seen("c")]) == (3,)
    assert first.append([seen("d")]) == (4,)
    assert first.append([]) == ()
    assert [line.subject for line in read_evidence(path, RUN).lines] == ["a", "b", "c", "d"]


def test_a_line_has_the_members_that_the_contract_names(path):
    log_at(path).append(
        [
            seen(
                value=31536000,
                unit="s",
                n=2,
                detail={"header": "max-age"},
                test="suites/security/test_headers.py::test_hsts[/]",
                artifacts=("artifacts/a.png",),
            )
        ]
    )
    line = json.loads(path.read_text())
    assert line.pop("at").endswith("Z")
    assert line == {
        "run": RUN,
        "seq": 1,
        "suite": "security",
        "check": "headers.hsts",
        "subject": "GET /",
        "outcome": "pass",
        "value": 31536000,
        "unit": "s",
        "n": 2,
        "detail": {"header": "max-age"},
        "test": "suites/security/test_headers.py::test_hsts[/]",
        "artifacts": ["artifacts/a.png"],
    }


@given(torn=st.integers(1, 400), known=st.booleans())
@settings(deadline=None, max_examples=40)
def test_half_a_line_of_a_killed_writer_is_cut_off(tmp_path_factory, torn, known):
    path = tmp_path_factory.mktemp("log") / "evidence.jsonl"
    log = log_at(path)
    log.append([seen(str(number)) for number in range(3)])
    whole = path.read_bytes()
    line = whole.splitlines(keepends=True)[-1].replace(b'"seq":3', b'"seq":4')
    path.write_bytes(whole + line[: min(torn, len(line) - 1)])
    survived = read_evidence(path, RUN)
    assert [line.seq for line in survived.lines] == [1, 2, 3]
    assert survived.problems == ("the last line (4) is torn",)
    assert (log if known else log_at(path)).append([seen("after")]) == (4,)
    assert [line.subject for line in read_evidence(path, RUN).lines] == ["0", "1", "2", "after"]
    assert read_evidence(path, RUN).problems == ()


def test_a_torn_tail_can_be_cut_without_adding_a_line(path):
    log = log_at(path)
    log.append([seen()])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"run":')
    log.cut_torn_tail()
    assert path.read_bytes() == whole


def test_lines_longer_than_what_is_read_at_once_are_found_again(path):
    log_at(path).append([seen("long", detail={"text": "x" * 200_000}), seen("longer", detail={"text": "y" * 300_000})])
    assert log_at(path).append([seen("after")]) == (3,)
    assert read_evidence(path, RUN).problems == ()


def test_a_writer_that_is_killed_leaves_what_it_wrote(path):
    writer = start_writer()
    writer.stdin.write(json.dumps([str(path), 0, [40] * 100_000]) + "\n")
    writer.stdin.flush()
    assert eventually(lambda: path.exists() and path.stat().st_size > 200_000)
    writer.kill()
    writer.wait(30)
    writer.stdin.close()
    writer.stdout.close()
    log_at(path).append([seen("after")])
    reading = read_evidence(path, RUN)
    assert reading.problems == ()
    assert reading.lines[-1].subject == "after"
    assert len(reading.lines) > 100


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from harness.errors import HarnessError
from harness.model import Observation, Outcome
from harness.machine.redaction import Redactor
from harness.run import EvidenceLog

path = Path(sys.argv[1])
log = EvidenceLog(path, sys.argv[2], Redactor())
seen = lambda text: Observation(suite="s", check="c", subject=text, outcome=Outcome.PASS)
log.append([seen("fits")])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, resource.RLIM_INFINITY))
try:
    log.append([seen("x" * 1000)])
except HarnessError as error:
    print(error.message)
"""
"""A limit on a file's size stands for a full disk: the write is cut short, then refused."""


def test_a_full_disk_leaves_no_half_line(path):
    command = [sys.executable, "-c", FULL_DISK, str(path), RUN]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told == f"{path}: evidence cannot be written (File too large); make room there and run again\n"
    assert read_evidence(path, RUN).problems == ()
    assert [line.subject for line in read_evidence(path, RUN).lines] == ["fits"]


def test_a_file_whose_last_line_is_no_evidence_is_not_added_to(path):
    path.write_bytes(b'{"seq": "seven"}\n')
    with pytest.raises(BrokenRunError, match=r"evidence\.jsonl: its last line is no evidence"):
        log_at(path).append([seen()])
    assert path.read_bytes() == b'{"seq": "seven"}\n'


def test_a_folder_that_is_gone_is_told_in_one_line(tmp_path):
    with pytest.raises(HarnessError, match="evidence cannot be written"):
        log_at(tmp_path / "gone" / "evidence.jsonl").append([seen()])


def test_secrets_stay_out_but_ids_stay_what_they_are(path):
    redact = Redactor()
    redact.learn(["postgres://app:postgres@db/app"])
    log_at(path, redact).append(
        [seen("as postgres", check="preflight.postgres", detail={"dsn": "postgres:postgres"}, test="t.py::t[postgres]")]
    )
    (line,) = read_evidence(path, RUN).lines
    assert line.check == "preflight.postgres"
    assert (line.subject, line.detail, line.test) == ("as ***", {"dsn": "***:***"}, "t.py::t[***]")


# --- the reader


def lines(path: Path, count: int = 4) -> list[bytes]:
    log_at(path).append([seen(str(number)) for number in range(count)])
    return path.read_bytes().splitlines(keepends=True)


def problems_after(path: Path, *changed: bytes) -> tuple[str, ...]:
    path.write_bytes(b"".join(changed))
    return read_evidence(path, RUN).problems


def test_a_line_torn_in_the_middle_is_a_problem(path):
    one, two, three, four = lines(path)
    (unreadable, *rest) = problems_after(path, one, two[:40] + b"\n", three, four)
    assert unreadable.startswith("evidence line 2 cannot be read")
    assert rest == []


def test_a_gap_in_the_numbers_is_a_problem(path):
    one, two, three, four = lines(path)
    assert problems_after(path, one, three, four) == (
        "evidence line 2 has the number 3",
        "evidence line 3 has the number 4",
    )
    assert problems_after(path, one, two, two, three)[0] == "evidence line 3 has the number 2"
    assert problems_after(path, two, one) == ("evidence line 1 has the number 2", "evidence line 2 has the number 1")


def test_a_line_of_another_run_is_a_problem(path):
    one, two, *_ = lines(path)
    assert problems_after(path, one, two.replace(RUN.encode(), b"another")) == (
        "evidence line 2 belongs to run 'another'",
    )


@pytest.mark.parametrize(
    "text",
    [b"\n", b"null\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b'{"seq": 5}\n'],
    ids=["empty", "null", "list", "nothing", "no text", "little"],
)
def test_a_line_that_is_no_evidence_is_a_problem(path, text):
    (problem, *rest) = problems_after(path, *lines(path), text)
    assert problem.startswith("evidence line 5 cannot be read")
    assert rest == []


def test_an_unknown_outcome_is_a_problem(path):
    one, *_ = lines(path)
    (problem,) = problems_after(path, one.replace(b'"pass"', b'"fine"'))
    assert "outcome" in problem


def test_the_digest_is_over_every_byte(path):
    reading = read_evidence(path, RUN)
    assert (reading.lines, reading.sha256) == ((), hashlib.sha256(b"").hexdigest())
    data = b"".join(lines(path))
    assert read_evidence(path, RUN).sha256 == hashlib.sha256(data).hexdigest()
    path.write_bytes(data.replace(b"GET", b"PUT") if b"GET" in data else data[:-1])
    assert read_evidence(path, RUN).sha256 != hashlib.sha256(data).hexdigest()


def test_halves_of_characters_are_written_as_escapes(path):
    """JSON may spell lone surrogates, which no encoding has: what a service sent must still become evidence."""
    log_at(path).append([seen("GET /\ud800", test="t\udfff", detail={"a\ud800": ["b\udc00", {"c": "\ud800"}], "n": 1})])
    (line,) = read_evidence(path, RUN).lines
    assert (line.subject, line.test) == ("GET /\\ud800", "t\\udfff")
    assert line.detail == {"a\\ud800": ["b\\udc00", {"c": "\\ud800"}], "n": 1}
