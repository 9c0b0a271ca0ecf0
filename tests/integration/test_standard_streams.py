"""Every command, whatever its standard streams are: no traceback's exit 1, no 120, and no document in a wrong file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate_target import Small, make_small

WORDS = ["--help", "status --json", "down", "logs", "doctor --json", "gate --target nosuch", "judge nosuch", "up -x"]
STREAMS = [
    "<&-",
    ">&-",
    "<&- >&- 2>&-",
    "> /dev/full",
    "2> /dev/full",
    "> /dev/full 2>&1",
    "1< /dev/null",
    "2< /dev/null",
    "2>&1 | true",
]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    state = {"XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, **state},
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("words", WORDS)
def test_a_stream_that_is_closed_or_full_ends_in_what_it_would_or_in_4(words: str, tmp_path: Path) -> None:
    command = f"{sys.executable} -m harness {words}"
    usual = shell(command, tmp_path).returncode
    for streams in STREAMS:
        ended = shell(f"{command} {streams}", tmp_path)
        assert ended.returncode in (usual, 4), (streams, ended.stderr)
        assert "Traceback" not in ended.stderr, streams
        if ended.returncode != usual:
            assert streams in ("> /dev/full 2>&1", "> /dev/full", "1< /dev/null")
            assert "full" not in streams or ended.stderr == "" or "No space left on device" in ended.stderr


def test_what_nobody_hears_is_said(tmp_path: Path) -> None:
    ended = shell(f"{sys.executable} -m harness status >&-", tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "standard output was closed" in ended.stderr


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return make_small(tmp_path / "small")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-", "2>&1 | true"])
def test_a_gate_rules_whatever_its_streams_are(small: Small, streams: str) -> None:
    before = set(small.folder.rglob("*"))
    ended = shell(f"{sys.executable} -m harness gate {' '.join(small.aimed)} --json {streams}", small.folder)
    # narrowed by --only
    assert ended.returncode == 3, ended.stderr
    written = small.run / "verdict.json"
    document = written.read_bytes()
    assert b'"INCONCLUSIVE"' in document
    # nobody opened a file in the place of a stream, which then got its words
    made = [path for path in small.folder.rglob("*") if path.is_file() and path not in before]
    assert {path.name for path in made if document[:60] in path.read_bytes()} == {"verdict.json"}
