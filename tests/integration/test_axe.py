"""axe-core in a page whose policy would let no foreign script in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from harness.errors import UsageError
from harness.probes.axe import find_axe, run_axe
from harness.probes.chromium import find_chromium

STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'"
HEAD = '<!doctype html><html lang="en"><head><title>Deals</title></head><body><main><h1>Deals</h1>'


@pytest.fixture(scope="module")
def script() -> str:
    found = find_axe()
    assert found is not None, "make setup brings axe-core"
    return found.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    found = find_chromium()
    assert found is not None, "make setup brings a browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**found.launch_options(os.environ))
        yield browser.new_page()
        browser.close()


def show(page: Page, body: str) -> None:
    """The body in a page with the strict policy."""
    headers = {"Content-Security-Policy": STRICT, "Content-Type": "text/html; charset=utf-8"}
    page.route("**/*", lambda route: route.fulfill(body=f"{HEAD}{body}</main></body></html>", headers=headers))
    page.goto("http://deals.test/")
    page.unroute("**/*")


def test_a_button_without_a_name_is_critical(page: Page, script: str) -> None:
    show(page, '<button id="buy"></button>')
    found = [violation for violation in run_axe(page, script) if violation.impact == "critical"]
    assert [(violation.rule, violation.places) for violation in found] == [("button-name", ("#buy",))]


def test_the_same_button_with_a_name_is_none(page: Page, script: str) -> None:
    show(page, '<button id="buy">Buy</button>')
    assert run_axe(page, script) == ()


def test_the_named_script_is_used_and_a_missing_one_refused(tmp_path: Path) -> None:
    named = tmp_path / "axe.min.js"
    with pytest.raises(UsageError, match="HARNESS_AXE names"):
        find_axe(str(named))
    named.touch()
    assert find_axe(str(named)) == named
    assert find_axe(None, tmp_path / "not-there.js") is None
