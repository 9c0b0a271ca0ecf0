"""A shop with good headers and planted faults: each is named by the check of its kind, and the sound shop by none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.machine.bundle import root
from harness.probes.exposed import find_consoles, find_files, find_listings
from harness.probes.http import RecordingClient
from harness.probes.inputs import try_places, try_words
from harness.probes.leaks import find_leaks
from harness.probes.site import USUAL_PATHS, Site, walk_site
from tests.planted_pages import FAULTS

CHECKS = {
    "xss-path": "input.reflected_path",
    "xss-element": "input.reflected_script",
    "xss-attribute": "input.reflected_script",
    "redirect": "input.redirect",
    "sql": "input.database",
    "env": "disclosure.files",
    "git": "disclosure.files",
    "listing": "disclosure.listing",
    "trace": "disclosure.trace",
    "get-password": "page.forms",
    "traceback": "disclosure.malformed_body",
    "hashes": "disclosure.secrets",
    "pprof": "disclosure.consoles",
    "php-warning": "disclosure.error_texts",
    "host-links": "input.host",
    "dead-links": "page.links",
    "http-form": "page.forms",
    "no-integrity": "page.integrity",
    "vary": "api.vary",
    "offered-listing": "disclosure.listing_offered",
    "writable": "disclosure.writable",
    "sql-form": "disclosure.consoles",
}
"""Fault -> the check that names it."""
SAID = {
    "xss-path": "writes the path into its page",
    "xss-element": "writes the parameter q into its page",
    "xss-attribute": "writes the parameter name into its page",
    "redirect": "lets the parameter to decide",
    "sql": "a quote in the parameter id with 500",
    "env": "GET /.env",
    "git": "GET /.git/HEAD",
    "listing": "GET /files/",
    "trace": "TRACE / answered 200",
    "get-password": "the form on /login sends its password by GET",
    "traceback": "POST /login answered a body that is no application/json 500",
    "hashes": "GET /users answered everybody with a password's hash",
    "pprof": "GET /debug/pprof/",
    "php-warning": "GET / answered with success, and with a PHP message",
    "host-links": "writes that host into its body",
    "dead-links": "/ links to /gone, which answers 404",
    "http-form": "http://other.example/news",
    "no-integrity": "https://cdn.example/x.js without integrity",
    "vary": "without Vary: Accept",
    "offered-listing": "GET /papers/",
    "writable": "the file was removed by DELETE",
    "sql-form": "GET / answered with a form that takes SQL",
}
"""What the finding names: path, parameter and evidence."""


@contextmanager
def shop(*faults: str) -> Iterator[str]:
    """Its URL."""
    program = root() / "tests" / "planted_pages.py"
    command = [sys.executable, str(program), *faults]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()


def ask(url: str, folder: Path) -> list[dict[str, str]]:
    """Evidence of the generic checks of pages and security."""
    command = [sys.executable, "-m", "harness", "run", "e2e", "security", "--url", url, "--active", "--json"]
    chosen = "test_disclosure or test_reflection or test_errors or test_health or form or pinned or dead"
    done = subprocess.run(
        [*command, "--out", str(folder), "--", "-k", chosen],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root())},
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    run = folder / "runs" / json.loads(done.stdout)["run"]
    return [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]


def test_every_fault_has_a_check() -> None:
    assert set(CHECKS) == set(SAID) == set(FAULTS)


def test_a_shop_with_every_fault_is_told_each(tmp_path: Path) -> None:
    with shop("all") as url:
        lines = ask(url, tmp_path)
    failed = [(line["check"], str(line["detail"])) for line in lines if line["outcome"] == "fail"]
    missing = [
        fault
        for fault, check in CHECKS.items()
        if not any(one == check and SAID[fault] in said for one, said in failed)
    ]
    assert missing == []
    assert {check for check, _ in failed} == set(CHECKS.values())


def test_the_sound_shop_is_told_nothing(tmp_path: Path) -> None:
    with shop() as url:
        lines = ask(url, tmp_path)
    assert [(line["check"], line["detail"]) for line in lines if line["outcome"] in ("fail", "error")] == []
    asked = {line["check"] for line in lines if line["outcome"] == "pass"}
    assert asked >= set(CHECKS.values())


def walk(client: RecordingClient, url: str) -> Site:
    return walk_site(client.exchange, url, ["/"], USUAL_PATHS)


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_each_fault_alone_is_the_only_one_that_the_probes_see(fault: str) -> None:
    with shop(*filter(None, [fault])) as url, RecordingClient(url) as client:
        site = walk(client, url)
        words = try_words(client.exchange, url, site.inputs, site.folders)
        plain = {leak.what for one in site.answers for leak in find_leaks(one.exchange.text)}
        seen = {
            "xss-path": any(one.injected for one in words.tried if one.where == "the path"),
            "xss-element": any(one.injected for one in words.tried if one.path.startswith("/search")),
            "xss-attribute": any(one.injected for one in words.tried if one.path.startswith("/greet")),
            "redirect": any(one.leads_away for one in try_places(client.exchange, site.inputs).tried),
            "sql": any(leak.kind == "database" for one in words.tried for leak in one.leaks),
            "env": "/.env" in {one.path for one in find_files(client.exchange).found},
            "git": "/.git/HEAD" in {one.path for one in find_files(client.exchange).found},
            "listing": "/files/" in {one.path for one in find_listings(client.exchange, site.folders).found},
            "offered-listing": "/papers/" in {one.path for one in find_listings(client.exchange, site.folders).found},
            "pprof": bool(find_consoles(client.exchange).found),
            "hashes": "a password's hash (bcrypt)" in plain,
            "php-warning": "a PHP message" in plain,
            "dead-links": bool(site.dead),
        }
    assert [name for name, found in seen.items() if found] == [one for one in [fault] if one in seen]
    assert not words.stopped
