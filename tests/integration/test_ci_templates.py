"""The GitHub action, the GitLab template and the pre-commit hook: each line of them is run, as it is run there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GATE = "--only security --policy quick"
"""A bare Flask sends none of the headers that the quick policy demands: NO-GO."""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples" / "flask", tmp_path / "desk"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, and no more."""
    folder = tmp_path_factory.mktemp("clone") / "harness"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(folder)], check=True, timeout=100)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A virtual environment on PATH in which pip installs from the clone alone; the rest is borrowed from ours."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    [packages] = folder.glob("lib/python3*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL"))}
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **offline, "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{kept['PATH']}"}


def run_line(line: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False)


def document(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def filled(text: str, values: Mapping[str, str]) -> str:
    """GitHub's `${{ … }}`; a value that is not there is an error of the action."""
    return re.sub(r"\$\{\{ *([\w.]+) *\}\}", lambda found: values[found[1]], text)


@pytest.mark.timeout(400)
def test_each_step_of_the_action(clone: Path, desk: Path, environment: Mapping[str, str]) -> None:
    action = document("action.yml")
    given = {"target": "profile.toml", "arguments": GATE}
    inputs = {name: given.get(name, spec["default"]) for name, spec in action["inputs"].items()}
    values = {f"inputs.{name}": value for name, value in inputs.items()} | {"github.action_path": str(clone)}
    summary = desk / "step-summary.md"
    ended = {}
    for step in action["runs"]["steps"]:
        # an input in the text of a script would be run by it
        assert "${{" not in step["run"]
        own = {name: filled(value, values) for name, value in step.get("env", {}).items()}
        ran = run_line(step["run"], desk, {**environment, **own, "GITHUB_STEP_SUMMARY": str(summary)})
        ended[step["name"]] = ran.returncode
        assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    assert ended == {"Install": 0, "Gate": 1, "Summary": 0}
    assert "NO-GO" in summary.read_text()


@pytest.mark.timeout(400)
def test_each_line_of_the_gitlab_template(clone: Path, desk: Path, environment: Mapping[str, str]) -> None:
    job = document("ci/gitlab.yml")[".harness-gate"]
    variables = job["variables"] | {"HARNESS": str(clone), "TARGET": "profile.toml", "ARGUMENTS": GATE}
    for line in job["before_script"]:
        ran = run_line(line, desk, {**environment, **variables})
        assert ran.returncode == 0, ran.stderr
    [gate] = job["script"]
    ran = run_line(gate, desk, {**environment, **variables})
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert list(desk.glob(job["artifacts"]["reports"]["junit"]))


@pytest.mark.timeout(400)
def test_the_pre_commit_hook(clone: Path, desk: Path, environment: Mapping[str, str]) -> None:
    [hook] = document(".pre-commit-hooks.yaml")
    assert (hook["language"], hook["stages"], hook["pass_filenames"]) == ("python", ["pre-push"], False)
    install = shlex.join(["python", "-m", "pip", "install", "-q", ".", *hook["additional_dependencies"]])
    ran = run_line(install, clone, environment)
    assert ran.returncode == 0, ran.stderr
    ran = run_line(f"{hook['entry']} --target profile.toml {GATE}", desk, environment)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "NO-GO" in ran.stdout
