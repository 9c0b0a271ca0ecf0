"""A service of pages without a document: its links and forms are read, and what is open in them is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from pathlib import Path

import pytest

from harness.config import load_target
from harness.machine.bundle import root
from harness.model import StackInfo
from harness.probes.http import RecordingClient
from harness.testing import api, eventually
from tests.integration.test_planted_api import answers
from tests.pages import ROOT
from tests.suite_session import free_port

PROFILE = """
schema = 1
name = "notebook"
[service]
url = "{url}"
[auth]
kind = "cookie"
login = "/enter"
form = true
body = {{ who = "{{username}}", word = "{{password}}" }}
[auth.register]
path = "/join"
body = {{ who = "{{username}}", word = "{{password}}" }}
"""
FOUND = {
    "read": ("objects_read", "GET /notes/{notes_id}, path parameter notes_id"),
    "change": ("objects_changed", "POST /notes/{notes_id}/edit, path parameter notes_id"),
    "forged": ("writes_by_strangers", "Origin"),
    "role": ("members_assigned", "POST /me, member role"),
    "cookie": ("cookies_readable", "POST /enter, cookie note"),
    "fixed": ("sessions_fixed", "POST /enter, cookie note"),
    "short": ("passwords_taken", "POST /join, member word"),
}
"""Hole -> the probe that finds it, and its subject."""
pytestmark = pytest.mark.timeout(300)


@contextmanager
def notebook(folder: Path, holes: str) -> Iterator[Callable[[], api.World]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "notebook.toml").write_text(PROFILE.format(url=url))
    target = load_target(str(folder / "notebook.toml"), root())
    info = StackInfo(name="notebook", backend="attach", target=target.name, url=url, owned=True)
    command = [sys.executable, ROOT / "tests" / "page_accounts.py", str(port), holes]
    with ExitStack() as clients, subprocess.Popen(command) as process:

        def asker() -> api.ApiClient:
            return api.ApiClient(
                lambda: clients.enter_context(RecordingClient(url, timeout_s=15)), seconds=200, most=10_000
            )

        try:
            eventually(lambda: answers(f"{url}/"), "the notebook", seconds=20)
            world = api.look_around(target, info, None, asker(), may_write=True)
            assert world.pair is not None, world.why_no_accounts
            yield lambda: world.asked_by(asker())
        finally:
            process.kill()


def found(world: Callable[[], api.World], name: str) -> list[api.Hole]:
    probe, seen = getattr(api, name), world()
    with api.listening() as listener:
        given = {"gate": lambda: api.gate_of(seen), "places": lambda: api.sites(seen), "listener": lambda: listener}
        return list(probe(seen, *(given[each]() for each in signature(probe).parameters if each in given)))


def test_what_accounts_of_pages_can_do_is_found(tmp_path):
    with notebook(tmp_path, "on") as world:
        seen = {name: [hole.subject for hole in found(world, name)] for name, _ in FOUND.values()}
    missed = [hole for hole, (name, part) in FOUND.items() if not any(part in each for each in seen[name])]
    assert missed == []


def test_of_sound_pages_nothing_is_said(tmp_path):
    every = (
        "answers_cached",
        "default_accounts",
        "doors_open",
        "functions_open",
        "logins_missing",
        "markup_injections",
    )
    every += ("secrets_told", "sql_injections", "tokens_forged", "used_twice", "answers_widened", "origins_let_in")
    with notebook(tmp_path, "") as world:
        assert world().operation("POST /notes/{notes_id}/edit") is not None
        said = {name: found(world, name) for name in (*every, *(name for name, _ in FOUND.values()))}
    assert {name: list(map(str, holes)) for name, holes in said.items() if holes} == {}


def test_a_logout_that_a_page_links_is_noted_and_not_followed(tmp_path):
    with notebook(tmp_path, "") as world:
        seen = world()
    assert seen.operation("GET /logout") is not None
    assert not [name for name, _ in seen.answers if name == "GET /logout"]
