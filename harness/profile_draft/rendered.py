"""What a page shows in Chromium once its scripts ran: links, and the reads that they sent."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from harness.errors import UsageError
from harness.probes.chromium import arguments_to_stay, find_chromium
from harness.probes.page_watch import PageWatch

_QUIET_MS = 3000
_LOADED_MS = 8000
_MOST_S = 12.0
"""For all that is asked of a page, which may answer nothing."""
_LINKS = "() => [...document.querySelectorAll('a[href]')].slice(0, 500).map(a => a.getAttribute('href'))"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page after its scripts ran."""

    title: str
    links: tuple[str, ...]
    reads: tuple[str, ...]
    """Addresses whose GET, sent by a script, was answered with JSON."""


def render(url: str, path: str) -> Rendered | None:
    """Open the page; whatever is no read is not sent, and no other host is asked.

    None without a browser, and for a page that does not open or takes without end.
    """
    try:
        found = find_chromium(os.environ.get("HARNESS_CHROMIUM", ""))
        from playwright.sync_api import Error, Response, Route, sync_playwright
    except (ImportError, UsageError):
        return None
    if found is None:
        return None
    reads: list[str] = []

    def only_reads(route: Route) -> None:
        if route.request.method in ("GET", "HEAD"):
            route.continue_()
        else:
            route.abort()

    def note(answer: Response) -> None:
        is_json = "json" in (answer.headers.get("content-type") or "")
        if answer.request.method == "GET" and answer.status == 200 and is_json:
            reads.append(answer.url)

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=str(found.executable),
                args=[*found.args, *arguments_to_stay([url])],
                env={**os.environ, **found.env},
                headless=True,
            )
        except Error:
            return None
        try:
            with PageWatch(lambda _why: None, most_s=_MOST_S) as watch:
                context = browser.new_context(accept_downloads=False)
                context.on("page", watch.count_window)
                context.on("console", lambda said: watch.count_event(said.text))
                context.on("request", lambda _: watch.count_event())
                page = context.new_page()
                page.route("**/*", only_reads)
                page.on("response", note)
                page.goto(url + path, wait_until="domcontentloaded", timeout=_LOADED_MS)
                with suppress(Error):
                    page.wait_for_load_state("networkidle", timeout=_QUIET_MS)
                links = tuple(str(link) for link in page.evaluate(_LINKS) if link)
                return Rendered(page.title(), links, tuple(dict.fromkeys(reads)))
        except Error:
            return None
        finally:
            # one that was ended may not know it yet
            with suppress(Error):
                browser.close()
