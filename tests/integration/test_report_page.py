"""The readiness page in a real browser: hostile evidence does nothing, and people can read it."""

import itertools

import pytest

from harness.report.html.page import write_page
from harness.report.sources import read_run
from tests import report_runs
from tests.visiting import CONTRAST, Visitor, chromium

sync_api = pytest.importorskip("playwright.sync_api")

SIZES = {"desktop": (1280, 900), "phone": (360, 800)}


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser, tmp_path):
    """`visit(scenario, …)`: the page of such a run, with all that the browser complained of or asked for."""
    with Visitor(browser) as visitor:

        def open_page(scenario, *, size="desktop", scheme="light", scripts=True):
            path = write_page(read_run(report_runs.write_run(tmp_path, scenario)))
            return visitor.open(path, SIZES[size], scheme=scheme, scripts=scripts)

        yield open_page


def test_hostile_evidence_does_nothing(visit):
    page = visit(report_runs.hostile())
    assert page.title() == "NO-GO: dealradar, policy quick"
    assert page.noise == []
    assert "document.title='owned'" in page.inner_text("#evidence")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["go", "no_go", "inconclusive", "hostile"])
def test_nothing_has_to_be_scrolled_sideways(visit, name, size):
    page = visit(getattr(report_runs, name)(), size=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.noise == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["go", "no_go", "inconclusive"])
def test_all_text_has_contrast(visit, name, scheme):
    page = visit(getattr(report_runs, name)(), scheme=scheme)
    page.evaluate("for (const each of document.querySelectorAll('details')) { each.open = true; }")
    found = page.evaluate(CONTRAST)
    assert found["seen"] > 300
    assert found["poor"] == []


def test_a_link_to_evidence_opens_what_holds_it(visit):
    page = visit(report_runs.go())
    assert not page.locator("#e1").is_visible()
    page.locator("#criteria a[href='#e1']").click()
    sync_api.expect(page.locator("#e1")).to_be_visible()


def test_a_browser_that_opens_nothing_by_itself_is_helped(visit):
    page = visit(report_runs.go())
    page.evaluate("history.replaceState(null, '', '#e1')")
    assert not page.locator("#e1").is_visible()
    page.evaluate("dispatchEvent(new Event('hashchange'))")
    sync_api.expect(page.locator("#e1")).to_be_visible()


def test_without_script_everything_can_be_read(visit):
    page = visit(report_runs.no_go(), scripts=False)
    assert page.locator("h1").inner_text().strip() == "NO-GO"
    assert page.locator("article.open:not(.finding)").count() == 4
    page.locator("summary", has_text="api.list").click()
    sync_api.expect(page.locator("tr", has_text="list a review")).to_be_visible()


def test_tables_keep_their_meaning_on_a_phone(visit):
    page = visit(report_runs.no_go(), size="phone")
    rows = page.get_by_role("table", name="All criteria").get_by_role("row")
    assert rows.count() > 16
    assert page.get_by_role("rowheader", name="security.headers").count() >= 1
    headings = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((each) => Number(each.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


def test_a_figure_on_the_page_has_a_text_alternative(visit):
    page = visit(report_runs.no_go())
    pictures = page.locator("svg[role=img]")
    assert pictures.count() > 10
    assert all(title.strip() for title in pictures.locator("> title").all_text_contents())
    assert page.locator("svg:not([role=img]):not([aria-hidden=true])").count() == 0
