"""A gate in a process of its own: why it came to no verdict is said in a file, not in its log."""

import subprocess
import sys

from harness.model import Policy, Service, Target
from harness.prove.patch.worker import GateSpec, read_failure, write_spec


def test_a_gate_that_cannot_run_says_why_in_its_file(tmp_path):
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    spec = GateSpec(
        target=Target(name="shop", source="", service=Service(command=("serve",), cwd=str(tmp_path))),
        overrides={},
        policy=Policy(name="quick", criteria=()),
        out=str(tmp_path),
        suites=(),
        failure=str(tmp_path / "failure.json"),
    )
    write_spec(spec, tmp_path / "spec.json")
    words = [sys.executable, "-m", "harness.prove.patch.worker", str(tmp_path / "spec.json")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    failure = read_failure(tmp_path / "failure.json")
    assert failure is not None, done.stderr
    assert "cannot be written" in failure.message
    assert f"error: {failure.message}" in done.stderr
    assert done.returncode == 2


def test_a_gate_that_died_left_no_such_file(tmp_path):
    assert read_failure(tmp_path / "failure.json") is None
