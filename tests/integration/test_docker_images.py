"""Images of a stack in containers: found, built only when something changed, and named where they are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import StackError, StartupError, UsageError
from harness.stack import launch
from harness.stack.docker import backend
from tests.docker_target import DOCKERFILE, PROGRAM, open_sockets, target_in


def test_an_image_is_built_anew_only_if_its_files_changed(engine: Any, tmp_path: Path) -> None:
    target = target_in(tmp_path)
    (tmp_path / ".dockerignore").write_text("notes.txt\n")
    first = backend.service_image(engine, target)
    (tmp_path / "notes.txt").write_text("ignored\n")
    assert backend.service_image(engine, target) == first
    (tmp_path / "service.py").write_text(PROGRAM + "# changed\n")
    assert backend.service_image(engine, target) != first


@pytest.mark.usefixtures("engine")
def test_a_build_that_fails_shows_its_output(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    (tmp_path / "Dockerfile").write_text(f"{DOCKERFILE}RUN echo before; false\n")
    before = open_sockets()
    with pytest.raises(StackError, match="building small from Dockerfile failed") as caught:
        launch(target, backend="docker")
    assert "before" in caught.value.output
    assert not isinstance(caught.value, StartupError)
    assert open_sockets() == before


@pytest.mark.usefixtures("engine")
def test_a_missing_image_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # an address where no registry listens, so that nothing is asked beyond this machine
    monkeypatch.setenv("HARNESS_IMAGE_VALKEY", "127.0.0.1:9/none:1")
    with pytest.raises(StackError, match=r"HARNESS_IMAGE_VALKEY: image 127.0.0.1:9/none:1 is not here"):
        launch(target_in(tmp_path, needs=("valkey",)), backend="docker")
    with pytest.raises(StackError, match=r"service.image: image 127.0.0.1:9/mine:1 is not here"):
        launch(target_in(tmp_path, image="127.0.0.1:9/mine:1"), backend="docker")


def test_a_profile_with_neither_image_nor_dockerfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"service.image or service.dockerfile"):
        launch(target_in(tmp_path, dockerfile=""), backend="docker")
