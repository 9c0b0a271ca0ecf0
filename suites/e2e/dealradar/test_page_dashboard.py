"""The operator's dashboard: its charts tell what the metrics endpoints tell, and go on telling it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE_MS = 20_000
PERIOD_MS = 4_000
"""A little more than the page waits between two updates."""
BARS = """all => all.map(e => [e.dataset.row, e.dataset.series, Number(e.dataset.value),
    e.closest('[data-chart=days]') ? e.height.baseVal.value : e.width.baseVal.value])"""
CELLS = "all => all.map(line => [...line.cells].map(cell => cell.textContent))"


@pytest.fixture
def told(new_page):
    """The dashboard, with what each endpoint told it first; it is told the same again at every update."""
    page, answers = new_page(role="operator"), {}

    def answer(route):
        name = route.request.url.rsplit("/", 1)[1]
        if name not in answers:
            answers[name] = route.fetch()
        route.fulfill(response=answers[name])

    page.route("**/api/metrics/*", answer)
    page.goto("/dashboard")
    wait_for_update(page)
    return page, {name: got.json() for name, got in answers.items()}


def wait_for_update(page, seen=0):
    """Wait until the page has made another number of updates than was seen."""
    expect(page.locator("#updated")).not_to_have_attribute("data-updates", str(seen), timeout=PATIENCE_MS)


def updates(page):
    """How many updates the page has made."""
    return int(page.locator("#updated").get_attribute("data-updates"))


def drawn(page, chart):
    """(row, series) -> number, of the bars of a chart, which are as long as their numbers say."""
    bars = page.locator(f"[data-chart={chart}] svg rect").evaluate_all(BARS)
    scales = [length / value for _, _, value, length in bars if value > 0]
    assert not scales or max(scales) - min(scales) < 0.01 * max(scales), "bars are not as long as their numbers say"
    return {(row, series): value for row, series, value, _ in bars}


def written(page, chart):
    """(row, series) -> number, of the table beside the chart."""
    (head, *lines) = page.locator(f"[data-chart={chart}] table tr").evaluate_all(CELLS)
    return {
        (line[0], series): float(cell.replace(",", ""))
        for line in lines
        for series, cell in zip(head[1:], line[1:], strict=True)
        if cell != "none"
    }


def expected(told):
    """What each chart has to show."""
    overview, performance, kinds = told["overview"], told["performance"], told["notifications"]["kinds"]
    slowest = sorted(performance["routes"], key=lambda route: -route["p95_ms"])[:10]
    return {
        "categories": {
            (one["category"], kind): one[kind]
            for one in overview["categories"]
            for kind in ("deals", "reviews", "comments")
        },
        "days": {(day["day"], kind): day[kind] for day in overview["days"] for kind in ("reviews", "comments")},
        "latency": {(one["route"], name): one[f"{name}_ms"] for one in slowest for name in ("p50", "p95")},
        "cache": {(word, "answers"): count for word, count in performance["cache"].items()},
        "kinds": {
            (one["kind"], state): one[state]
            for one in kinds
            for state in ("sent", "pending", "sending", "failed", "dead")
            if state in one
        },
        "delays": {
            (one["kind"], name): one[key]
            for one in kinds
            for name, key in (("median", "delay_p50_s"), ("p95", "delay_p95_s"))
            if one[key] is not None
        },
    }


@pytest.mark.check("page.dashboard", severity="high", subject="/dashboard")
def test_the_charts_show_the_numbers_of_the_endpoints(told, page_problems):
    page, answers = told
    for chart, numbers in expected(answers).items():
        assert numbers, f"{chart}: the endpoint told nothing"
        assert drawn(page, chart) == numbers
        assert written(page, chart) == pytest.approx(numbers, abs=0.005 + 1e-9)  # it has two decimals
    requests = drawn(page, "requests")
    for route in answers["performance"]["routes"][:10]:
        assert sum(value for (row, _), value in requests.items() if row == route["route"]) == route["requests"]
    for name, count in answers["overview"]["totals"].items():
        assert number_of(page, name) == count
    assert page_problems.all == []


def number_of(page, name):
    """The number in the tile of that name."""
    tile = page.locator("#totals > div").filter(has=page.get_by_text(name, exact=True)).locator("dd")
    return int(tile.inner_text().replace(",", ""))


@pytest.mark.check("page.dashboard_updates", severity="high", subject="/dashboard")
@pytest.mark.writes
def test_a_change_appears_by_itself(new_page, new_client):
    page = new_page(role="operator")
    page.goto("/dashboard")
    wait_for_update(page)
    before = number_of(page, "reviews")
    review = {"title": "Seen on the dashboard", "body": "By itself.", "rating": 4}
    assert new_client(role="user").exchange("POST", "/api/deals/4/reviews", json=review).status == 201
    tile = page.locator("#totals > div").filter(has=page.get_by_text("reviews", exact=True))
    expect(tile).not_to_contain_text(f"{before:,}", timeout=PATIENCE_MS)
    assert number_of(page, "reviews") > before


@pytest.mark.check("page.dashboard_trouble", severity="high", subject="/dashboard")
def test_figures_that_cannot_be_had_are_told_and_so_is_their_end(new_page):
    page = new_page(role="operator")
    page.clock.install()
    page.goto("/dashboard")
    wait_for_update(page)
    page.route("**/api/metrics/overview", lambda route: route.abort())
    page.clock.run_for(PERIOD_MS)
    expect(page.get_by_role("alert")).to_have_text("The service does not answer.", timeout=PATIENCE_MS)
    page.unroute("**/api/metrics/overview")
    page.route("**/api/metrics/overview", lambda route: route.fulfill(status=503, body="{}"))
    page.clock.run_for(PERIOD_MS)
    expect(page.get_by_role("alert")).to_contain_text("status 503", timeout=PATIENCE_MS)
    page.unroute("**/api/metrics/overview")
    page.clock.run_for(PERIOD_MS)
    expect(page.get_by_role("alert")).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.locator("#updated")).to_have_text(re.compile(r"^Figures of \d\d:\d\d:\d\d\.$"))


@pytest.mark.check(
    "page.dashboard_pause", severity="high", source="WCAG 2.2, 2.2.2", subject="/dashboard, {how}, {when}"
)
@pytest.mark.parametrize("how", ["by the button", "while hidden"])
@pytest.mark.parametrize("when", ["between two updates", "during one"])
def test_updates_can_be_stopped_and_go_on(new_page, how, when):
    page, held, asked = new_page(role="operator"), [], []

    def hold(route):
        held.append(route)

    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => Boolean(window.isHidden) })")
    page.clock.install(time=NOON)
    page.goto("/dashboard")
    wait_for_update(page)
    # from here on the page's time goes on only by run_for
    seen = updates(page)
    page.clock.pause_at(NOON + timedelta(hours=1))
    wait_for_update(page, seen)
    if when == "during one":
        page.route("**/api/metrics/notifications", hold)
        with page.expect_request("**/api/metrics/notifications"):
            page.clock.run_for(PERIOD_MS)
    page.on("request", lambda sent: asked.append(sent.url))
    seen = updates(page)
    switch(page, how, on=True)
    if when == "during one":
        held[0].continue_()
        page.unroute("**/api/metrics/notifications")
        wait_for_update(page, seen)
    page.clock.run_for(60_000)
    assert asked == []
    seen = updates(page)
    switch(page, how, on=False)
    wait_for_update(page, seen)
    assert len(asked) >= 3


def switch(page, how, *, on):
    if how == "by the button":
        page.get_by_role("button", name="Pause updates").click()
        expect(page.get_by_role("button", name="Pause updates")).to_have_attribute("aria-pressed", str(on).lower())
    else:
        page.evaluate(f"window.isHidden = {str(on).lower()}; document.dispatchEvent(new Event('visibilitychange'))")
