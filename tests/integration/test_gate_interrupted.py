"""A gate that is stopped, starved of disk, or not alone on its machine: what it says, and that nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.run import is_sealed, read_evidence
from tests.gate_target import Small, make_small
from tests.stack_target import eventually

BUSY = """\
import os, pathlib, time, pytest

@pytest.mark.check("own.first")
def test_a_first():
    assert True

@pytest.mark.check("own.second")
def test_b_second():
    pathlib.Path(r"{place}/scratch").write_text(os.environ["TMPDIR"])
    time.sleep({seconds})
    assert True
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small")
    yield made
    made.end()


def begun(small: Small, *words: str, seconds: int = 90, ignored: signal.Signals | None = None) -> subprocess.Popen[str]:
    """A gate whose second test has begun; with a signal ignored it was started as by `&` or `nohup`."""
    small.suite(BUSY.format(place=small.folder, seconds=seconds))
    # these tests may run under nohup themselves
    before = {
        each: signal.signal(each, signal.SIG_IGN if each is ignored else signal.SIG_DFL)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        process = small.start("gate", *small.aimed, *words)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    written = small.folder / "scratch"
    assert eventually(lambda: written.exists() and written.read_text(), 60), process.poll()
    assert eventually(lambda: any(line["check"] == "own.first" for line in small.evidence())), small.evidence()
    return process


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2"), (signal.SIGHUP, "1")])
def test_a_signal_in_mid_run_is_130_and_leaves_evidence_and_nothing_else(
    small: Small, number: signal.Signals, workers: str
) -> None:
    process = begun(small, "-n", workers)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    document = small.document("run.json")
    assert document["state"] == "interrupted"
    reading = read_evidence(small.run / "evidence.jsonl", document["run"])
    assert reading.problems == ()
    assert document["evidence"] == {"count": len(reading.lines), "sha256": reading.sha256}
    assert {"startup", "own.first"} <= {line.check for line in reading.lines}
    assert (small.run / "logs" / "service-1.log").read_text().count("line ") == 30
    assert not is_sealed(small.run)
    assert small.left() == []
    assert not Path((small.folder / "scratch").read_text()).exists()
    judged = small.harness("judge", str(small.run), "--json")
    assert judged.returncode == 3, judged.stderr
    assert '"verdict": "INCONCLUSIVE"' in judged.stdout
    assert "the run is interrupted, not finished" in judged.stdout


def test_in_a_shells_background_it_is_stopped_all_the_same(small: Small) -> None:
    process = begun(small, "-n", "1", ignored=signal.SIGINT)
    pytest_pid = small.pytest_pid()
    assert pytest_pid is not None
    [ignored] = [line for line in Path(f"/proc/{pytest_pid}/status").read_text().splitlines() if "SigIgn" in line]
    assert not int(ignored.split()[1], 16) & 1 << (signal.SIGINT - 1), "what it starts can be asked to stop"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert small.left() == []


def test_under_nohup_it_outlives_the_terminal(small: Small) -> None:
    process = begun(small, "-n", "1", seconds=1, ignored=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert small.document("run.json")["state"] == "finished"


def test_a_signal_while_the_service_starts_is_130_and_leaves_nothing(tmp_path: Path) -> None:
    small = make_small(tmp_path / "small", "start_timeout_s = 60")
    process = small.start("gate", *small.aimed, "--env", "HOW=never ready")
    assert eventually(lambda: any("service.py" in command for command in small.processes().values()), 60)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert small.document("run.json")["state"] == "interrupted"
    assert small.left() == []


def test_kill_9_leaves_nothing_but_readable_evidence(small: Small) -> None:
    process = begun(small, "-n", "2")
    process.kill()
    process.communicate(timeout=60)
    assert eventually(lambda: not small.left()), small.left()
    assert eventually(lambda: not Path((small.folder / "scratch").read_text()).exists())
    document = small.document("run.json")
    assert document["state"] == "running"
    reading = read_evidence(small.run / "evidence.jsonl", document["run"])
    assert {"startup", "own.first"} <= {line.check for line in reading.lines}
    judged = small.harness("judge", str(small.run))
    assert judged.returncode == 3, judged.stderr
    assert "the run is running, not finished" in judged.stdout


def test_two_gates_side_by_side_do_not_disturb_each_other(tmp_path: Path) -> None:
    pair = [make_small(tmp_path / name) for name in ("one", "other")]
    for small in pair:
        small.suite(small_suite(small))
    processes = [small.start("gate", *small.aimed, "-n", "1") for small in pair]
    for small, process in zip(pair, processes, strict=True):
        out, err = process.communicate(timeout=100)
        # narrowed by --only, and nothing else is held against it
        assert process.returncode == 3, out + err
        assert small.document("verdict.json")["held_back"] == ["the run was narrowed by --only own"]
        assert {one["status"] for one in small.document("verdict.json")["criteria"]} == {"pass"}
        assert small.left() == []


def small_suite(small: Small) -> str:
    """Some tests that share the machine, and one that wants it alone."""
    shared = (small.folder / "own" / "test_own.py").read_text()
    return (
        shared
        + '\n@pytest.mark.alone\n@pytest.mark.check("own.alone")\ndef test_alone(client):\n'
        + ('    assert all(client.get("/").status_code == 200 for _ in range(50))\n')
    )


def on_a_full_disk(small: Small, size: str) -> subprocess.CompletedProcess[str]:
    """A gate whose runs are kept in a file system of that size, mounted for it alone."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here: a small file system cannot be mounted for one process")
    small.out.mkdir()
    how = [unshare, "-m"] if os.geteuid() == 0 else [unshare, "-rm"]
    mount = f"mount -t tmpfs -o size={size} tmpfs '{small.out}' || exit 77; "
    # what it wrote goes with its mount: copied to where the test can see it
    copy = f"; status=$?; cp -r '{small.out}/runs' '{small.folder}/kept'; exit $status"
    command = " ".join(f"'{word}'" for word in [sys.executable, "-m", "harness", "gate", *small.aimed, "-n", "1"])
    ran = subprocess.run(
        [*how, "sh", "-c", mount + command + copy],
        cwd=small.folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "SMALL_TOKEN": small.token},
    )
    if ran.returncode == 77 or "unshare: " in ran.stderr:
        pytest.skip(f"no file system can be mounted here: {ran.stderr.strip()}")
    return ran


@pytest.mark.parametrize("size", ["16k", "48k"])
def test_a_full_disk_is_exit_4_in_one_line_and_never_a_verdict(small: Small, size: str) -> None:
    ran = on_a_full_disk(small, size)
    assert ran.returncode == 4, ran.stderr
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "No space left on device; free some, or give another folder with --out" in errors[0]
    assert str(small.out) in errors[0]
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    assert not list((small.folder / "kept").glob("*/verdict.json"))
    states = [json.loads(path.read_bytes())["state"] for path in (small.folder / "kept").glob("*/run.json")]
    assert states == (["interrupted"] if size == "48k" else states)
    assert small.left() == []


def test_a_disk_that_fills_up_after_the_verdict_is_exit_4_and_the_verdict_stands(small: Small) -> None:
    ran = on_a_full_disk(small, "160k")
    assert ran.returncode == 4, ran.stderr
    assert "INCONCLUSIVE  small" in ran.stdout
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "report not written" in errors[0]
    assert len(list((small.folder / "kept").glob("*/verdict.json"))) == 1
    assert small.left() == []
