"""A proof's page in a real browser: hostile texts do nothing, and people can read and use it."""

import pytest

from harness.probes.axe import find_axe, run_axe
from harness.prove.report.page import render_proof
from tests import prove_proofs
from tests.visiting import CONTRAST, Visitor, chromium

sync_api = pytest.importorskip("playwright.sync_api")

SIZES = {"desktop": (1280, 900), "phone": (375, 800)}
NAMES = ["proven", "missed_some", "hostile", "empty", "many"]
OPEN_ALL = "for (const each of document.querySelectorAll('details')) { each.open = true; }"


@pytest.fixture(scope="module")
def axe():
    found = find_axe()
    assert found is not None, "make setup brings axe-core"
    return found.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser, tmp_path):
    """`visit(name, …)`: the page of such a proof, with all that the browser complained of or asked for."""
    with Visitor(browser) as visitor:

        def open_page(name, *, size="desktop", scheme="light", scripts=True):
            proof, defects = getattr(prove_proofs, name)()
            path = tmp_path / "index.html"
            text = render_proof(proof, prove_proofs.recorded(), defects, prove_proofs.POLICY)
            path.write_text(text, encoding="utf-8", errors="replace")
            return visitor.open(path, SIZES[size], scheme=scheme, scripts=scripts)

        yield open_page


def test_hostile_texts_do_nothing(visit):
    page = visit("hostile")
    assert page.title() == "Unclear: the gate of dealradar"
    assert page.noise == []
    assert "document.title='owned'" in page.inner_text("#missed")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_has_to_be_scrolled_sideways(visit, name, size):
    page = visit(name, size=size)
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.noise == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["proven", "missed_some"])
def test_all_text_has_contrast(visit, name, scheme):
    page = visit(name, scheme=scheme)
    page.evaluate(OPEN_ALL)
    found = page.evaluate(CONTRAST)
    assert found["seen"] > 100
    assert found["poor"] == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["proven", "missed_some", "empty"])
def test_axe_finds_nothing(visit, axe, name, size):
    page = visit(name, size=size)
    page.evaluate(OPEN_ALL)
    assert run_axe(page, axe) == ()


def test_a_row_of_the_matrix_leads_to_its_defect(visit):
    page = visit("missed_some")
    assert not page.locator("#d0 dl.seen").is_visible()
    page.locator(".matrix a", has_text="killed").click()
    sync_api.expect(page.locator("#d0 dl.seen")).to_be_visible()


def test_names_of_rows_and_columns_stay_in_sight(visit):
    page = visit("many")
    page.evaluate("document.querySelector('.matrix').scrollTo(1500, 1500)")
    places = page.evaluate(
        """() => {
          const box = document.querySelector('.matrix').getBoundingClientRect();
          const name = document.querySelector('.matrix tbody tr:nth-child(10) .name').getBoundingClientRect();
          const check = document.querySelector('.matrix thead .check').getBoundingClientRect();
          return { name: name.left - box.left, check: check.top - box.top };
        }"""
    )
    assert 0 <= places["name"] <= 2
    assert 0 <= places["check"] <= 2


def test_a_phone_has_a_list_in_place_of_the_matrix(visit):
    page = visit("missed_some", size="phone")
    assert not page.locator(".matrix").is_visible()
    page.locator("#defects summary", has_text="What killed changes").click()
    sync_api.expect(page.locator("#d0")).to_contain_text("headers.nosniff")


@pytest.mark.parametrize("scripts", [True, False])
def test_facets_are_filtered_by_state_without_a_script_too(visit, scripts):
    page = visit("missed_some", scripts=scripts)
    page.locator("#guarded summary", has_text="GET /a").click()
    rows = page.locator("#guarded tbody tr:visible")
    sync_api.expect(rows).to_have_count(3)
    page.get_by_label("unguarded", exact=True).check()
    sync_api.expect(rows).to_have_count(1)
    sync_api.expect(rows).to_contain_text("latency")
    assert not page.locator("#guarded summary", has_text="GET /b").is_visible()
    page.get_by_label("not called", exact=True).check()
    sync_api.expect(page.locator("#guarded summary", has_text="GET /b")).to_be_visible()
