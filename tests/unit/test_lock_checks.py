"""Lock files: pinned by hash, without an address, and what the project asks for."""

from __future__ import annotations

import json

import pytest

from tools import check_locks

_PINNED = "httpx==0.28.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via harness\n"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (_PINNED + 'pywin32==312 ; sys_platform == "win32" \\\n    --hash=sha256:cc\n', []),
        (_PINNED + "redis==8.1.0\n", ["redis==8.1.0 has no hash"]),
        (_PINNED + "redis>=8 \\\n    --hash=sha256:cc\n", [r"'redis>=8 \\' is not pinned to one version"]),
        (
            "--index-url https://mirror.example/simple\n" + _PINNED,
            ["names an address", "'--index-url https://mirror.example/simple' is not pinned to one version"],
        ),
        (
            "x @ https://a.example/x.whl \\\n    --hash=sha256:cc\n",
            ["names an address", r"'x @ https://a.example/x.whl \\' is not pinned to one version"],
        ),
    ],
)
def test_python_lock(text: str, faults: list[str]) -> None:
    assert list(check_locks.faults_of_python_lock(text)) == faults


@pytest.mark.parametrize(
    ("package", "faults"),
    [
        ({"version": "1", "integrity": "sha512-x"}, []),
        ({"version": "1"}, ["node_modules/a has no digest"]),
        (
            {"version": "1", "integrity": "sha512-x", "resolved": "https://mirror.example/a.tgz"},
            ["node_modules/a names the address it came from"],
        ),
    ],
)
def test_node_lock(package: dict[str, str], faults: list[str]) -> None:
    text = json.dumps({"packages": {"": {"name": "root"}, "node_modules/a": package}})
    assert list(check_locks.faults_of_node_lock(text)) == faults


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        ("httpx>=0.28", []),
        ("HTTPX[http2] >= 0.28", []),
        ("httpx>=1", ["httpx>=1 is asked for, 0.28.1 locked"]),
        ("redis>=8", ["redis is asked for and not locked"]),
    ],
)
def test_lock_holds_what_the_project_asks_for(asked: str, faults: list[str]) -> None:
    for table in (
        f'dependencies = ["{asked}"]',
        f'dependencies = []\n[project.optional-dependencies]\nx = ["{asked}", "own"]',
    ):
        project = f'[project]\nname = "own"\n{table}\n'
        assert list(check_locks.faults_of_declaration(project, _PINNED)) == faults


def test_the_locks_of_this_project_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_locks.main() == 0, capsys.readouterr().out
