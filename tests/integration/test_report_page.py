"""The readiness page in a real browser: hostile evidence does nothing, and people can read it."""

import itertools
import os

import pytest

from harness.probes.chromium import find_chromium
from harness.report.html import write_page
from harness.report.sources import read_run
from tests import report_runs

sync_api = pytest.importorskip("playwright.sync_api")

SIZES = {"desktop": (1280, 900), "phone": (360, 800)}

CONTRAST = """() => {
  const parse = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return { rgb: found.slice(0, 3).map((v) => v * scale), alpha: found.length > 3 ? found[3] : 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const colour = parse(getComputedStyle(up).backgroundColor);
      if (colour.alpha > 0.99) { return colour.rgb; }
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  let seen = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const box = node.getBoundingClientRect();
    const hidden = box.width < 2 || ["STYLE", "SCRIPT", "title"].includes(node.tagName);
    if (hidden || !walker.currentNode.data.trim()) { continue; }
    const style = getComputedStyle(node);
    const ink = parse(node instanceof SVGElement ? style.fill : style.color).rgb;
    let faded = 1;
    for (let up = node; up; up = up.parentElement) { faded *= Number(getComputedStyle(up).opacity); }
    const back = ground(node);
    const mixed = ink.map((v, i) => v * faded + back[i] * (1 - faded));
    const [high, low] = [light(mixed), light(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    seen += 1;
    if (ratio < 4.5) {
      poor.push(`${ratio.toFixed(2)} ${node.tagName} ${node.getAttribute("class")}: ${node.textContent.slice(0, 40)}`);
    }
  }
  return { seen, poor: [...new Set(poor)] };
}"""
"""Texts with less contrast than WCAG 2.2, 1.4.3 asks (4.5 to 1)."""


@pytest.fixture(scope="module")
def browser():
    found = find_chromium(os.environ.get("HARNESS_CHROMIUM"))
    if found is None:
        pytest.skip("no Chromium here; `make setup` brings one")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(**found.launch_options(dict(os.environ)))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, tmp_path):
    """`visit(scenario, …)`: the page of such a run, with all that the browser complained of or asked for."""
    contexts = []

    def open_page(scenario, *, size="desktop", scheme="light", scripts=True):
        path = write_page(read_run(report_runs.write_run(tmp_path, scenario)))
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.noise = []
        page.on("console", lambda message: page.noise.append(message.text))
        page.on("pageerror", lambda error: page.noise.append(str(error)))
        page.on("dialog", lambda dialog: page.noise.append(dialog.message))
        page.on(
            "request", lambda request: page.noise.append(request.url) if not request.is_navigation_request() else None
        )
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


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
    assert page.locator("article.open").count() == 4
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
