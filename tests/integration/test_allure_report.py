"""The Allure report: one file, built from what allure-pytest wrote, that asks nothing of any other machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from harness.errors import ReportError
from harness.probes.chromium import find_chromium
from harness.report import allure

_TESTS = """
import allure

def test_stays_green():
    with allure.step("look at the deals"):
        assert True

def test_turns_red():
    allure.attach("<p>Deals</p><img src='TRACKER/seen.png'>", "page-of-service", allure.attachment_type.HTML)
    assert "HIT" == "MISS"
"""

_PAGE = "<html><head><title>t</title>{head}</head><body>{body}</body></html>"


class Tracker:
    """Somebody who counts who looks: a server on loopback that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tracker.asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep pytest's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    tracker = Tracker()
    thread = threading.Thread(target=tracker.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield tracker
    tracker.server.shutdown()
    tracker.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, tracker: Tracker) -> Path:
    """Results of two real tests, written by allure-pytest."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_two.py").write_text(_TESTS.replace("TRACKER", tracker.url))
    words = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "allure_pytest.plugin"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(
        [*words, "--alluredir", str(folder / "results")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    return folder / "results"


@pytest.fixture(scope="module")
def report(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "allure-report"
    return allure.build_allure_report(results, out, name="DealRadar, quick")


def test_report_is_one_file(report: Path) -> None:
    assert [path.name for path in report.parent.iterdir()] == ["index.html"]


def test_no_trace_of_analytics_is_left(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert "googletagmanager" not in page
    assert "gtag(" not in page
    assert allure.addresses_loaded(page) == []


@dataclass(frozen=True)
class Visit:
    """What a person saw who opened a report, clicked the failed test and looked at its attached page."""

    title: str
    schemes: frozenset[str]
    complaints: tuple[str, ...]


def _visit(report: Path) -> Visit:
    browser = find_chromium()
    assert browser is not None, "make setup brings a browser"
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**browser.launch_options(os.environ))
        page = started.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(report.as_uri())
        page.get_by_text("test_turns_red").first.click()
        page.get_by_text("assert 'HIT' == 'MISS'").first.wait_for()
        page.get_by_text("page-of-service").first.click()
        attached = page.frame_locator("iframe").first
        attached.get_by_text("Deals").wait_for()
        attached.locator("img").evaluate(
            "image => image.complete || new Promise(done => image.onload = image.onerror = done)"
        )
        title = page.title()
        started.close()
    foreign = {url.partition(":")[0] for url in asked if not url.startswith("http://127.0.0.1:")}
    return Visit(title, frozenset(foreign), tuple(complaints))


def test_browser_asks_nobody_and_shows_the_failure(report: Path, tracker: Tracker) -> None:
    tracker.asked.clear()
    visit = _visit(report)
    assert visit.title == "DealRadar, quick"
    assert visit.complaints == ()
    assert visit.schemes <= {"file", "data", "blob"}
    assert tracker.asked == [], "a page of the service, attached to the report, called home"


def test_without_its_policy_the_attached_page_would_call_home(report: Path, tracker: Tracker, tmp_path: Path) -> None:
    """The check above can fail."""
    naked = tmp_path / "index.html"
    naked.write_text(re.sub(r"<meta http-equiv=[^>]*>", "", report.read_text(encoding="utf-8"), count=1))
    tracker.asked.clear()
    _visit(naked)
    assert tracker.asked == ["/seen.png"]


def test_missing_results_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"there is no folder .*nowhere of results") as caught:
        allure.build_allure_report(tmp_path / "nowhere", tmp_path / "out")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "out").exists()


def test_without_allure_the_reason_says_what_to_do(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert allure.allure_problem() is None
    monkeypatch.setattr(allure, "COMMAND_LINE", tmp_path / "cli.js")
    assert "make setup" in str(allure.allure_problem())
    with pytest.raises(ReportError, match="make setup"):
        allure.build_allure_report(results, tmp_path / "out")


def test_a_failing_allure_leaves_the_old_report(tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cli.js"
    broken.write_text("console.error('out of order'); process.exit(3)")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("the last one")
    monkeypatch.setattr(allure, "COMMAND_LINE", broken)
    with pytest.raises(ReportError, match=r"Allure exited 3 on .*: out of order"):
        allure.build_allure_report(results, tmp_path / "out")
    assert (tmp_path / "out" / "index.html").read_text() == "the last one"


@pytest.mark.parametrize(
    ("head", "body", "loaded"),
    [
        ("", '<script async src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ("", "<script src=//cdn.example/x.js></script>", ["//cdn.example/x.js"]),
        ('<link rel="stylesheet" href="style.css">', "", ["style.css"]),
        ("<style>@import 'https://fonts.example/a.css';</style>", "", ["https://fonts.example/a.css"]),
        ("", '<p style="background: url(http://a.example/b.png)">', ["http://a.example/b.png"]),
        ('<meta http-equiv="refresh" content="0; url=https://a.example">', "", ["0; url=https://a.example"]),
        ("", '<img srcset="https://a.example/b.png 2x">', ["https://a.example/b.png 2x"]),
        ("", '<a href="https://a.example/">only on a click</a>', []),
        ("", "<script>const text = '<img src=https://a.example/b.png>'</script>", []),
        ('<link rel="icon" href="data:image/svg+xml,%3Csvg/%3E">', '<img src="data:image/png;base64,AA==">', []),
    ],
)
def test_addresses_loaded(head: str, body: str, loaded: list[str]) -> None:
    assert allure.addresses_loaded(_PAGE.format(head=head, body=body)) == loaded


def test_analytics_cut_out_and_nothing_else() -> None:
    own = "<script>window.allureReportData = {};</script>"
    tag = '<script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>'
    inline = "<script>window.dataLayer = []; gtag('js', new Date());</script>"
    assert allure.without_analytics(_PAGE.format(head=tag + inline, body=own)) == _PAGE.format(head="", body=own)


def test_a_page_that_would_load_from_elsewhere_is_not_written(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "cli.js"
    page = _PAGE.format(head='<link rel="preload" href="https://beacon.example/b">', body="")
    changed.write_text(
        "const fs = require('fs'), out = process.argv[process.argv.indexOf('--output') + 1];"
        f"fs.mkdirSync(out); fs.writeFileSync(out + '/index.html', `{page}`)"
    )
    monkeypatch.setattr(allure, "COMMAND_LINE", changed)
    with pytest.raises(ReportError, match=r"would load https://beacon\.example/b"):
        allure.build_allure_report(results, tmp_path / "out")
    assert not (tmp_path / "out").exists()
