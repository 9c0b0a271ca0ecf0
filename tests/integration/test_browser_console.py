"""Headers that Chromium complains of in a page's console: the page itself loads, and is not said to fail."""

from __future__ import annotations

import os

import pytest

from harness.probes.browser_console import blocks_nothing
from harness.probes.chromium import find_chromium
from tests.strangers import Reply, serving

CSP = "Content-Security-Policy"
HARMLESS = (
    (CSP, "default-src 'self'; prefetch-src 'self'; plugin-types application/pdf; navigate-to 'self'; refferer x"),
    (CSP, "default-src 'self'; default-src 'none'; script-src 'self' 'none' foo{bar} script-src-elem"),
    (
        CSP,
        "default-src 'self'; frame-ancestors foo!bar 'nonce-x'; trusted-types 'x' bad!; sandbox allow-x allow-scripts",
    ),
    (CSP, "default-src 'self'; require-trusted-types-for 'foo'"),
    (f"{CSP}-Report-Only", "default-src 'none'"),
    ("Permissions-Policy", "camera 'none'"),
    ("Referrer-Policy", "foo"),
    ("Integrity-Policy", "foo"),
    ("X", f"<meta http-equiv={CSP} content=\"default-src 'self'; frame-ancestors 'none'; report-uri /r\">"),
    ("X", f'<meta http-equiv="{CSP}-Report-Only" content="default-src x">'),
    ("X", '<meta http-equiv="X-Frame-Options" content="DENY"><meta name="referrer" content="foo">'),
    ("X", '<svg><path d="foo"/></svg>'),
)
HARMFUL = (
    (CSP, "script-src self"),
    (CSP, "default-src 'none'"),
    ("X", '<script src="/a.js" integrity="sha384-abc"></script>'),
    ("X", "<script>console.error('no kettle boils')</script>"),
)


def errors_of(name: str, value: str) -> list[str]:
    """The console's errors of a page with that header, or with that in its head."""
    from playwright.sync_api import sync_playwright

    found = find_chromium(os.environ.get("HARNESS_CHROMIUM", ""))
    if found is None:
        pytest.skip("no Chromium on this machine")

    def reply(path: str, _headers: object) -> Reply:
        if path != "/":
            return 200, {"Content-Type": "text/javascript"}, "1"
        head, more = (value, {}) if name == "X" else ("", {name: value})
        page = f'<!doctype html><html lang="en"><head><title>t</title>{head}</head><script src="/a.js"></script></html>'
        return 200, {"Content-Type": "text/html; charset=utf-8", **more}, page

    errors: list[str] = []
    with serving() as start, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable, args=list(found.args), env={**os.environ, **found.env}
        )
        page = browser.new_page()
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(start(reply).url, wait_until="load")
        browser.close()
    return errors


@pytest.mark.parametrize(("name", "value"), HARMLESS)
def test_a_word_on_a_header_is_no_failure(name: str, value: str) -> None:
    errors = errors_of(name, value)
    assert [text for text in errors if not blocks_nothing(text)] == []
    # Chromium says the first of a report-only policy that blocks nothing, and may keep silent of others
    assert errors or name.endswith("Report-Only")


@pytest.mark.parametrize(("name", "value"), HARMFUL)
def test_what_is_blocked_or_said_by_a_script_is_a_failure(name: str, value: str) -> None:
    assert [text for text in errors_of(name, value) if not blocks_nothing(text)] != []
