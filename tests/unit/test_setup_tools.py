"""What `make setup` decides: what is stale, what pip's settings mean for uv and npm, which line tells a failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tools.setup import machine_settings, stamp
from tools.setup.commands import SetupError, run
from tools.setup.python_packages import cache_folder, why_unusable


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the files that decide what setup does, and an environment that setup left."""
    for name in (
        "requirements.lock",
        "pyproject.toml",
        "service/pyproject.toml",
        "tools/node/allure/package-lock.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for distribution in ("httpx-0.28.1", "pytest-9.2.0"):
        (tmp_path / ".venv" / "lib" / "python3.11" / "site-packages" / f"{distribution}.dist-info").mkdir(parents=True)
    (tmp_path / ".venv" / "bin").mkdir()
    (tmp_path / ".venv" / "bin" / "python").touch()
    return tmp_path


def _stamp(checkout: Path) -> stamp.Stamp:
    venv = checkout / ".venv"
    return stamp.take(checkout, venv, [venv / "bin" / "python"])


def test_nothing_changed_is_not_stale(checkout: Path) -> None:
    path = checkout / ".venv" / ".setup.json"
    stamp.write(path, _stamp(checkout))
    assert stamp.why_stale(stamp.read(path), checkout, checkout / ".venv") is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: (root / "requirements.lock").write_text("another"), "lock file"),
        (lambda root: (root / "service/pyproject.toml").unlink(), "lock file"),
        (lambda root: (root / "tools/node/allure/package-lock.json").write_text("{}"), "lock file"),
        (lambda root: (root / ".venv/bin/python").unlink(), "python is gone"),
        (
            lambda root: (root / ".venv/lib/python3.11/site-packages/httpx-0.28.1.dist-info").rmdir(),
            "httpx-0.28.1 is not installed any more",
        ),
    ],
)
def test_each_change_makes_it_stale(checkout: Path, change: Callable[[Path], object], reason: str) -> None:
    before = _stamp(checkout)
    change(checkout)
    assert reason in str(stamp.why_stale(before, checkout, checkout / ".venv"))


def test_a_package_that_a_person_added_does_not(checkout: Path) -> None:
    before = _stamp(checkout)
    (checkout / ".venv/lib/python3.11/site-packages/ipython-9.0.dist-info").mkdir()
    assert stamp.why_stale(before, checkout, checkout / ".venv") is None


def test_a_moved_checkout_is_another_one(checkout: Path) -> None:
    moved = replace(_stamp(checkout), root="/somewhere/else")
    assert stamp.why_stale(moved, checkout, checkout / ".venv") == "this checkout was moved"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"root": "/x"}'])
def test_an_unreadable_stamp_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "stamp").write_text(text)
    assert stamp.read(tmp_path / "stamp") is None
    assert stamp.read(tmp_path / "absent") is None


def test_an_environment_of_another_python(checkout: Path) -> None:
    assert why_unusable(checkout / ".venv", wanted=None) is None
    assert why_unusable(checkout / ".venv", wanted="3.11") is None
    assert why_unusable(checkout / ".venv", wanted="3.12") == ".venv has Python 3.11, 3.12 is asked for"
    assert why_unusable(checkout / "none", wanted=None) == ".venv has no working Python"


def test_pip_settings_reach_uv_under_its_names() -> None:
    listed = (
        ":env:.cert='/etc/ca.pem'\n"
        "install.index-url='https://install.example/simple'\n"
        "global.index-url='https://mirror.example/simple'\n"
        "global.extra-index-url='https://a.example\\nhttps://b.example'\n"
        "global.find-links='/wheels  /more'\n"
        "download.index-url='https://download.example'\n"
        "not a setting\n"
    )
    pip = machine_settings.parse_pip_config(listed)
    uv = machine_settings.environment_for_uv(pip, {"HOME": "/home/q"})
    assert uv == {
        "HOME": "/home/q",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_DEFAULT_INDEX": "https://install.example/simple",
        "UV_INDEX": "https://a.example https://b.example",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }


def test_what_is_said_to_uv_itself_wins() -> None:
    uv = machine_settings.environment_for_uv(
        {"index-url": "https://pip.example"}, {"UV_DEFAULT_INDEX": "https://uv.example"}
    )
    assert uv["UV_DEFAULT_INDEX"] == "https://uv.example"


def test_pip_variables_count_where_there_is_no_pip() -> None:
    environment = {"PIP_INDEX_URL": "https://mirror.example/simple", "PIP_CERT": ""}
    assert machine_settings.read_pip_settings(None, environment) == {"index-url": "https://mirror.example/simple"}


def test_npm_trusts_what_pip_trusts() -> None:
    npm = machine_settings.environment_for_npm("/node/bin", {"SSL_CERT_FILE": "/etc/ca.pem", "PATH": "/usr/bin"})
    assert npm["NODE_EXTRA_CA_CERTS"] == "/etc/ca.pem"
    assert npm["PATH"] == "/node/bin:/usr/bin"
    kept = machine_settings.environment_for_npm("/n", {"SSL_CERT_FILE": "/a.pem", "NODE_EXTRA_CA_CERTS": "/b.pem"})
    assert kept["NODE_EXTRA_CA_CERTS"] == "/b.pem"


def test_cache_is_shared_where_it_can_be(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "file").touch()
    assert cache_folder(tmp_path, {"HOME": str(home)}) == home / ".cache" / "harness"
    assert (
        cache_folder(tmp_path, {"HOME": str(home), "XDG_CACHE_HOME": str(tmp_path / "x")}) == tmp_path / "x" / "harness"
    )
    assert cache_folder(tmp_path, {}) == tmp_path / ".cache"
    assert cache_folder(tmp_path, {"HOME": str(tmp_path / "file")}) == tmp_path / ".cache"


@pytest.mark.parametrize(
    ("prints", "line"),
    [
        ("Collecting x\nERROR: no matching distribution\nnotice: a new pip", "ERROR: no matching distribution"),
        (
            "error: Failed to download x\ncause: Failed to read\ncause: Hash mismatch",
            "Failed to download x (Hash mismatch)",
        ),
        ("error: build failed\nFileNotFoundError: no folder\nhint: look", "FileNotFoundError: no folder"),
        ("one\ntwo", "two"),
        ("", "it printed nothing"),
    ],
)
def test_a_failure_fits_on_one_line(tmp_path: Path, prints: str, line: str) -> None:
    words = [sys.executable, "-I", "-c", f"print({prints!r}); raise SystemExit(3)"]
    with pytest.raises(SetupError) as caught:
        run(words, doing="getting x", cwd=tmp_path, env={})
    message = str(caught.value)
    assert message.startswith("getting x: ")
    assert " exited 3: " in message
    assert message.endswith(line)
    assert "\n" not in message


def test_a_missing_program_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"^getting x: /no/such does not run: No such file or directory$"):
        run(["/no/such"], doing="getting x", cwd=tmp_path, env={})
