"""Readiness checks of a service's files, and of the machine's."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.model import Outcome, PreflightRules, Service, StackInfo, Target
from harness.preflight import Scene
from harness.preflight.checks.machine import check_files, check_folders
from harness.preflight.checks.sources import check_sources


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("x = 1\n")
    return tmp_path


def scene(cwd: Path, *, owned: bool = True, writable: tuple[str, ...] = (), folders: tuple[str, ...] = ()) -> Scene:
    target = Target(
        name="t", source="", service=Service(command=("x",), cwd=str(cwd)), preflight=PreflightRules(writable=writable)
    )
    info = StackInfo(
        name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=owned, state_dir=str(cwd)
    )
    return Scene(target=target, info=info, folders=folders)


def test_good_files_parse(service: Path) -> None:
    sources = check_sources(scene(service))
    assert (sources.outcome, sources.value) == (Outcome.PASS, 1)


@pytest.mark.parametrize(("text", "line"), [("x = 1\ndef broken(:\n", 2), ("x = '\x00'\n", None)])
def test_a_source_that_does_not_compile_is_named_with_its_line(service: Path, text: str, line: int | None) -> None:
    (service / "app" / "broken.py").write_text(text)
    found = check_sources(scene(service))
    assert found.outcome is Outcome.FAIL
    assert (f"app/broken.py:{line}: " if line else "app/broken.py") in found.message
    assert found.message.startswith("1 of 2")


@pytest.mark.parametrize("folder", ["node_modules", ".venv/lib", "__pycache__"])
def test_what_is_not_the_services_own_is_not_read(service: Path, folder: str) -> None:
    (service / folder).mkdir(parents=True)
    (service / folder / "bad.py").write_text("def broken(:\n")
    assert check_sources(scene(service)).outcome is Outcome.PASS


def test_sources_of_somebody_elses_service_are_unknown(service: Path) -> None:
    found = check_sources(scene(service, owned=False))
    assert found.outcome is Outcome.SKIP
    assert found.detail["counts"] is True


def test_folders_that_take_a_file(tmp_path: Path) -> None:
    found = check_folders(scene(tmp_path, writable=(".", "not/there/yet"), folders=(str(tmp_path / "reports"),)))
    assert found.outcome is Outcome.PASS
    assert found.value is not None
    assert found.value > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_none_is_named(tmp_path: Path) -> None:
    found = check_folders(scene(tmp_path, writable=("/proc/self",)))  # not even root can make a file there
    assert found.outcome is Outcome.FAIL
    assert "/proc/self: " in found.message
    assert "MiB are free" not in found.message
    assert found.remedy


def test_a_disk_that_is_nearly_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.preflight.checks.machine.LEAST_FREE_MIB", 10**12)
    found = check_folders(scene(tmp_path))
    assert found.outcome is Outcome.FAIL
    assert f"{tmp_path}: only " in found.message


@pytest.fixture
def few_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_too_few_open_files(tmp_path: Path) -> None:
    found = check_files(scene(tmp_path))
    assert found.outcome is Outcome.FAIL
    assert "256" in found.message
    assert "ulimit -n 1024" in found.remedy


def test_enough_open_files(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1024:
        pytest.skip(f"this process itself may open few files ({os.getpid()})")
    assert check_files(scene(tmp_path)).outcome is Outcome.PASS
