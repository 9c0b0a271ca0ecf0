"""The live table of a proof on a real terminal, and the lines that a pipe gets."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests.pages import ROOT

PROGRAM = """
import sys
from pathlib import Path
from harness.cli.prove_text import print_proof, showing_results
from harness.prove.events import MutantBegan
from tests.prove_proofs import missed_some, result

proof, defects = missed_some()
with showing_results(defects) as (listen, told):
    listen(MutantBegan("wire", "a-mutant-with-a-name-" * 9, 2, 9))
    for one in (*proof.results, result("a-defect-with-a-long-name-" * 9, expected="a.criterion" * 9)):
        told(one)
    # the table is drawn four times a second: whoever looks says when a frame holds the last of it
    sys.stdin.readline()
print_proof(proof, Path("reports/prove/x"))
"""
LAST = b"a-defect-with"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-7](?:;\d+)*m")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(columns: int, **env: str) -> str:
    """All that the program wrote on a terminal so wide."""
    ours, theirs = pty.openpty()
    modes = termios.tcgetattr(theirs)
    # what is typed is not shown among the frames
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TERM")}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**known, "TERM": "xterm-256color", **env},
    ) as process:
        os.close(theirs)
        written, told = b"", False
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:
                # Linux's way to say that the other end is closed
                break
            written += read
            if LAST in written and not told:
                os.write(ours, b"\n")
                told = True
        os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


def frames(text: str) -> list[list[str]]:
    """Lines of each drawing of the table, without escapes."""
    drawn = re.split(r"(?:\x1b\[1A|\x1b\[2K|\r)+", text)
    return [ESCAPE.sub("", one).split("\n") for one in drawn]


@pytest.mark.parametrize("columns", [80, 120])
def test_each_line_of_the_table_fits(columns):
    lines = [line for frame in frames(on_a_terminal(columns)) for line in frame]
    live = [line for line in lines if re.match(r"[✓✗?·] \w+.* \d+\.\d s *$", line)]
    assert len(live) >= 9
    # one line of its own for each, cut where there is no room
    long = [line for line in lines if "a-name" in line or "a-long" in line]
    assert {line[:16] for line in long} == {"✓ killed        ", "wire  2/9  a-mut"}
    assert all("…" in line for line in long)
    assert max(len(line) for line in (*live, *long)) <= columns


def test_the_end_stays_on_the_terminal():
    end = on_a_terminal(120)[-1500:]
    assert "✗ misattributed  misattributed" in end
    assert "NOT PROVEN  1 of 7 defects detected (patch 0 of 1, wire 1 of 5, gate 0 of 1)" in end
    assert "page: reports/prove/x/index.html" in end


def test_colours_are_an_option():
    assert COLOUR.search(on_a_terminal(80))
    assert not COLOUR.search(on_a_terminal(80, NO_COLOR="1"))


def test_a_pipe_gets_a_line_for_each_result_on_standard_error():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stderr + done.stdout
    told = [line for line in done.stderr.splitlines() if re.fullmatch(r" *\d+\.\d s  [a-z ]+: \S+ \(4\.2 s\)", line)]
    assert len(told) == 9
    assert done.stdout.splitlines()[-1] == "page: reports/prove/x/index.html"
