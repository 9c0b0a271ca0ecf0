"""What our readers say of a header is what Chromium does: what runs or applies, frames, cookies, guessed types."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from harness.probes.browser_headers import framing, keeps_type
from harness.probes.chromium import find_chromium
from harness.probes.cookies import kept_cookies
from harness.probes.csp import parse_csp
from harness.probes.csp_flaws import find_holes
from harness.probes.page_parts import read_parts

Answer = tuple[str, list[tuple[str, str]]]
"""A body and its headers."""


@contextmanager
def serving(answers: Mapping[str, Answer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, headers = answers.get(self.path, ("", []))
            self.send_response(200 if self.path in answers else 404)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = find_chromium()
    assert found is not None, "make setup brings a browser"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(**found.launch_options(os.environ))
        yield launched
        launched.close()


HTML = [("Content-Type", "text/html; charset=utf-8")]
PROBE = """{before}<!doctype html><html><head>{head}<title>T</title>
<style>#style {{ width: 7px }}</style></head>
<body><p id="style">s</p><p id="attribute" style="width: 9px">a</p>
<img src="/missing" onerror="document.title += ' handler'">
<script>document.title += ' element'</script>
<script src="/eval.js"></script>
{after}</body></html>"""
EVAL = "try { document.title += eval(\"' eval'\") } catch (refused) {} document.title += ' file'"

POLICIES = [
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline'",
    "script-src 'self' 'UNSAFE-INLINE'",
    "script-src 'self'; script-src-elem 'self' 'unsafe-inline'",
    "script-src 'self' 'unsafe-inline'; script-src-elem 'self'",
    "script-src 'self'; script-src-attr 'unsafe-inline'",
    "script-src 'self' 'unsafe-inline'; script-src-attr 'none'",
    "script-src 'self' 'unsafe-inline' 'nonce-abcdefgh'",
    "script-src 'self' 'unsafe-inline' 'nonce-invalid$'",
    "script-src 'self' 'unsafe-inline' 'nonce-'",
    "script-src 'self' 'unsafe-inline' 'sha256-YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY='",
    "script-src 'self' 'unsafe-inline' 'strict-dynamic'",
    "script-src 'self' unsafe-inline",
    "script-src 'self' 'unsafe-inlin'",
    "script-src 'self' \u2018unsafe-inline\u2019",
    "script-src 'self'; script-src 'unsafe-inline'",
    "script-src 'self' 'unsafe-eval'",
    "default-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "default-src 'self' 'unsafe-inline'; script-src 'self'",
    "default-src 'unsafe-inline' script-src 'self'",
    "scripts-src 'self'",
    "script-src: 'self'",
    "img-src 'self'",
    "script-src *",
    "script-src",
    "style-src 'self'",
    "style-src 'unsafe-inline'",
    "style-src 'self'; style-src-elem 'unsafe-inline'",
    "style-src 'self'; style-src-attr 'unsafe-inline'",
    "style-src 'self' 'unsafe-inline' 'nonce-abcdefgh'",
    "style-src 'self' 'unsafe-inline' 'strict-dynamic'",
    "default-src 'none'; style-src-attr 'unsafe-inline'",
    "script-src 'self' 'unsafe-inline', script-src 'self'",
    "script-src 'self' 'unsafe-inline', style-src 'self' 'unsafe-inline'",
    "SCRIPT-SRC 'SELF' 'unsafe-inline'",
    ";; ;script-src 'self'; ;",
    "script-src 'self'\t'unsafe-inline'",
    "sandbox allow-same-origin",
    "sandbox allow-scripts allow-same-origin; style-src 'self'",
]
PLACES = {
    "header": lambda policy: ([("Content-Security-Policy", policy)], "", "", ""),
    "meta": lambda policy: ([], f'<meta http-equiv="content-SECURITY-policy" content="{policy}">', "", ""),
    "meta with spaces": lambda policy: (
        [],
        f'<meta http-equiv=" Content-Security-Policy " content="{policy}">',
        "",
        "",
    ),
    "meta in the body": lambda policy: (
        [],
        "",
        "",
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><script>document.title += " late"</script>',
    ),
    "meta in a noscript": lambda policy: (
        [],
        f'<noscript><meta http-equiv="Content-Security-Policy" content="{policy}"></noscript>',
        "",
        "",
    ),
    "meta after text": lambda policy: (
        [],
        f'text<meta http-equiv="Content-Security-Policy" content="{policy}">',
        "",
        "",
    ),
}


def seen_by_the_browser(browser: Browser, url: str) -> set[str]:
    """What ran or applied."""
    page = browser.new_page()
    try:
        page.goto(url, wait_until="load")
        found = set(page.title().split()) & {"handler", "element", "eval", "late"}
        widths = page.evaluate("['style', 'attribute'].map(id => getComputedStyle(document.getElementById(id)).width)")
        return found | ({"style"} if widths[0] == "7px" else set()) | ({"attribute"} if widths[1] == "9px" else set())
    finally:
        page.close()


ELEMENTS = {
    "element": "script-src-elem",
    "handler": "script-src-attr",
    "style": "style-src-elem",
    "attribute": "style-src-attr",
}


@pytest.mark.parametrize("place", PLACES)
def test_what_runs_is_what_the_policy_lets_through(browser: Browser, place: str) -> None:
    answers: dict[str, Answer] = {"/eval.js": (EVAL, [("Content-Type", "text/javascript")])}
    expected = {}
    policies = POLICIES if place in ("header", "meta") else POLICIES[:3]
    for number, policy in enumerate(policies):
        if place == "header" and not policy.isascii():
            continue
        headers, head, before, after = PLACES[place](policy)
        body = PROBE.format(head=head, before=before, after=after)
        answers[f"/{number}"] = (body, [*HTML, *headers])
        csp = parse_csp([value for _, value in headers], read_parts(body).policies)
        runs = {name for name, element in ELEMENTS.items() if csp.has_unsafe_inline(element)}
        # the file that tries eval is of the page's own host, so it runs where that is let in
        own = all(policy_lets_own_in(one) for one in csp.policies)
        expected[policy, f"/{number}"] = runs | ({"eval"} if csp.allows_eval() and own else set())
    with serving(answers) as url:
        for (policy, path), what in expected.items():
            assert seen_by_the_browser(browser, url + path) - {"late"} == what, policy


def policy_lets_own_in(policy: Any) -> bool:
    sources = policy.sources("script-src-elem")
    if sources is None:
        return True
    words = {source.lower() for source in sources}
    return "'strict-dynamic'" not in words and bool(words & {"'self'", "*"})


def test_holes_are_what_chromium_runs(browser: Browser) -> None:
    """`find_holes` says "inline" of a policy if and only if an inline script or handler ran under it."""
    usable = [policy for policy in POLICIES if policy.isascii()]
    answers: dict[str, Answer] = {
        f"/{number}": (
            PROBE.format(head="", before="", after=""),
            [*HTML, ("Content-Security-Policy", policy)],
        )
        for number, policy in enumerate(usable)
    }
    with serving(answers) as url:
        for number, policy in enumerate(usable):
            ran = seen_by_the_browser(browser, f"{url}/{number}")
            holes = {hole.element for hole in find_holes(parse_csp([policy])) if hole.kind == "inline"}
            assert bool(ran & {"element", "handler"}) == bool(holes & {"script-src-elem", "script-src-attr"}), policy
            assert bool(ran & {"style", "attribute"}) == bool(holes & {"style-src-elem", "style-src-attr"}), policy


FRAMES: list[list[tuple[str, str]]] = [
    [],
    [("X-Frame-Options", "DENY")],
    [("X-Frame-Options", "deny, DENY")],
    [("X-Frame-Options", "DENY"), ("X-Frame-Options", "DENY")],
    [("X-Frame-Options", "DENY"), ("X-Frame-Options", "SAMEORIGIN")],
    [("X-Frame-Options", "SAMEORIGIN")],
    [("X-Frame-Options", "ALLOWALL")],
    [("X-Frame-Options", "ALLOW-FROM https://a.example")],
    [("X-Frame-Options", "whatever")],
    [("X-Frame-Options", "DENY"), ("Content-Security-Policy", "frame-ancestors *")],
    [("X-Frame-Options", "ALLOWALL"), ("Content-Security-Policy", "frame-ancestors 'none'")],
    [("Content-Security-Policy", "default-src 'none'")],
    [("X-Frame-Options", "DENY"), ("Content-Security-Policy", "default-src 'none'")],
    [("Content-Security-Policy", "frame-ancestors 'self'")],
    [("Content-Security-Policy", "frame-ancestors http:")],
]


def test_frames_are_shown_to_whom_the_headers_let_in(browser: Browser) -> None:
    """The framing page is of another origin (another port), so only "anybody" lets it in."""
    framed: dict[str, Answer] = {f"/{number}": ("<p>inside</p>", [*HTML, *one]) for number, one in enumerate(FRAMES)}
    with serving(framed) as inner:
        frames = "".join(f'<iframe name="f{number}" src="{inner}/{number}"></iframe>' for number in range(len(FRAMES)))
        with serving({"/": (f"<!doctype html>{frames}", HTML)}) as outer:
            page = browser.new_page()
            page.goto(outer, wait_until="load")
            for number, headers in enumerate(FRAMES):
                frame = page.frame(f"f{number}")
                shown = frame is not None and "inside" in frame.content()
                options = [value for name, value in headers if name == "X-Frame-Options"]
                policies = [value for name, value in headers if name == "Content-Security-Policy"]
                assert shown == (framing(options, parse_csp(policies)) == "anybody"), headers
            page.close()


TYPES = ["nosniff", "NOSNIFF", "nosniff, nosniff", "whatever, nosniff", "nosniff, whatever", "no-sniff", ""]


def test_a_script_of_another_type_runs_unless_it_may_not_be_guessed(browser: Browser) -> None:
    answers: dict[str, Answer] = {
        f"/{number}.js": (
            f"document.title += ' ran{number}'",
            [("Content-Type", "text/plain"), ("X-Content-Type-Options", value)],
        )
        for number, value in enumerate(TYPES)
    }
    scripts = "".join(f'<script src="/{number}.js"></script>' for number in range(len(TYPES)))
    answers["/"] = (f"<!doctype html><title>T</title>{scripts}", HTML)
    with serving(answers) as url:
        page = browser.new_page()
        page.goto(url, wait_until="load")
        ran = page.title().split()
        page.close()
    assert [f"ran{number}" not in ran for number in range(len(TYPES))] == [keeps_type([value]) for value in TYPES]


COOKIES = [
    ["a=1"],
    ["a=1; Max-Age=0"],
    ["a=1; Max-Age=-5"],
    ["a=1; Max-Age=0.5"],
    ["a=1; Max-Age=0; Max-Age=60"],
    ["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
    ["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"],
    ["a=1; Expires=nonsense"],
    ["a=1; SameSite=None"],
    ["a=1; SameSite=None; SameSite=Lax"],
    ["a=1; SameSite=whatever"],
    ["__Host-a=1; Path=/"],
    ["__Secure-a=1"],
    ["__Secured=1"],
    ["a=1", "a=; Max-Age=0"],
    ["a=1", "a=; Max-Age=0; SameSite=None"],
    ["a=1; Path=/x", "a=2; Path=/"],
    ["a=" + "x" * 4095],
    ["a=" + "x" * 4096],
    ["just text"],
    ["="],
    ["a=1\x012"],
]


@pytest.mark.parametrize("lines", COOKIES, ids=lambda lines: "; ".join(lines)[:40].replace("\x01", "?"))
def test_chromium_keeps_the_cookies_that_we_say_it_keeps(browser: Browser, lines: list[str]) -> None:
    with serving({"/": ("<!doctype html><p>x", [*HTML, *(("Set-Cookie", line) for line in lines)])}) as url:
        context = browser.new_context()
        page = context.new_page()
        try:
            page.goto(url, wait_until="load")
        except Error:
            pytest.fail("Chromium refuses the whole answer")
        kept = sorted((cookie["name"], cookie["path"]) for cookie in context.cookies())
        context.close()
    ours = [(cookie.name, cookie.attributes.get("path", "/")) for cookie in kept_cookies(lines, datetime.now(UTC))]
    assert kept == sorted(ours)
