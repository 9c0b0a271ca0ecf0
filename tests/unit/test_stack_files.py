"""What a stack writes of itself can be read by the release after, and by the one before: its keys stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StackError
from harness.model import Instance, Service, StackInfo, Target, Worker
from harness.stack.supervisor.registry import (
    Recipe,
    make_owner_record,
    read_info,
    read_owner,
    read_recipe,
    write_info,
    write_owner,
    write_recipe,
)

INFO: dict[str, Any] = {
    "name": "default",
    "backend": "embedded",
    "target": "t",
    "url": "http://127.0.0.1:1",
    "owned": True,
    "database_url": None,
    "redis_url": None,
    "smtp_url": None,
    "mailbox_url": None,
    "untrusted_url": None,
    "ca_file": "",
    "key_pin": "",
    "instances": [{"url": "http://127.0.0.1:1", "pid": 7, "log": "", "name": "service-1", "ready_bytes": 12}],
    "workers": [{"name": "worker-1", "pid": 8, "log": "", "ready_bytes": None}],
    "settings": {},
    "secrets": {},
    "overrides": {},
    "state_dir": "",
    "logs": {},
    "pids": {},
    "timings": {},
    "build": {"kind": "unknown", "id": "", "dirty": False},
    "supervisor_pid": 6,
    "behind": "",
}
OWNER: dict[str, Any] = {
    "mark": "0123456789ab",
    "pid": 6,
    "start": 12345,
    "boot": "boot",
    "namespace": "pid:[1]",
    "folders": ["/tmp/harness-0123456789ab"],  # noqa: S108 - nothing is made there
    "fingerprint": "f",
}


def test_a_stack_of_the_release_before_is_read(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps(INFO))
    (tmp_path / "keeper.json").write_text(json.dumps(OWNER))
    info, owner = read_info(tmp_path / "stack.json"), read_owner(tmp_path)
    assert info.instances == (Instance(url="http://127.0.0.1:1", pid=7, name="service-1", ready_bytes=12),)
    assert info.workers == (Worker(name="worker-1", pid=8),)
    assert owner is not None
    assert (owner.mark, owner.fingerprint, owner.alive) == ("0123456789ab", "f", False)


def test_the_keys_that_are_written_stay(tmp_path: Path) -> None:
    info = StackInfo(
        name="n",
        backend="embedded",
        target="t",
        url="u",
        owned=True,
        instances=(Instance(url="u"),),
        workers=(Worker(name="w"),),
        state_dir=str(tmp_path),
    )
    written = json.loads(write_info(info).read_bytes())
    assert written.keys() == INFO.keys()
    for key in ("instances", "workers"):
        assert written[key][0].keys() == INFO[key][0].keys()
    assert written["build"].keys() == INFO["build"].keys()
    write_owner(tmp_path, make_owner_record("m", 1, 2, (), ""))
    assert json.loads((tmp_path / "keeper.json").read_bytes()).keys() == OWNER.keys()


def test_a_recipe_comes_back_as_it_went(tmp_path: Path) -> None:
    recipe = Recipe(target=Target(name="t", source="", service=Service(command=("python",))), values={"port": "1"})
    write_recipe(tmp_path, recipe)
    assert read_recipe(tmp_path) == recipe
    assert json.loads((tmp_path / "recipe.json").read_bytes()).keys() == {"target", "values"}


def test_a_recipe_that_the_last_release_wrote_is_read(tmp_path: Path) -> None:
    flat = {"name": "t", "source": "", "service": {"command": ["python"]}, "client_address": "source", "pages": ["/"]}
    (tmp_path / "recipe.json").write_text(json.dumps({"target": flat, "values": {"port": "1"}}))
    target = read_recipe(tmp_path).target
    assert (target.clients.address, target.pages.paths, target.service.command) == ("source", ("/",), ("python",))
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(StackError, match="start the stack again"):
        read_recipe(tmp_path)
