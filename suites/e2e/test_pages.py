"""Pages in a real browser."""

from urllib.parse import urlsplit

import pytest


@pytest.mark.check("page.loads", severity="critical", source="the profile's [pages]", subject="{page_path}")
def test_page_loads_without_a_problem(page, page_problems, page_path, target):
    answer = page.goto(page_path, wait_until="networkidle")
    assert answer is not None
    assert answer.status == 200
    if page_path in target.pages.roles:
        assert urlsplit(page.url).path != target.pages.login.path, "logged in, and asked to log in"
    assert page_problems.all == []


@pytest.mark.check("page.document", source="WCAG 2.2, 2.4.2 and 3.1.1", subject="{page_path}")
def test_page_has_a_title_and_a_language(page, page_path):
    page.goto(page_path)
    assert page.title().strip()
    assert page.locator("html").get_attribute("lang")


@pytest.mark.check("page.structure", source="WCAG 2.2, 1.3.1 and 2.4.6", subject="{page_path}")
def test_page_has_one_main_part_and_a_heading(page, page_path):
    from playwright.sync_api import expect

    page.goto(page_path)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)


@pytest.mark.check("page.names", source="WCAG 2.2, 1.1.1 and 4.1.2", subject="{page_path}")
def test_everything_usable_has_a_name(page, page_path):
    page.goto(page_path)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, img')]
            .filter(e => e.tagName === 'IMG' ? !e.hasAttribute('alt')
                : !(e.textContent.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
                    || e.title || e.value || (e.labels && e.labels.length) || e.querySelector('img[alt]')))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


@pytest.mark.check("page.accessible", severity="high", source="WCAG 2.2, by axe-core", subject="{page_path}")
def test_no_serious_violation_is_found(page, page_path, axe):
    page.goto(page_path, wait_until="networkidle")
    assert [found for found in axe(page) if found.impact in ("serious", "critical")] == []


@pytest.mark.check("page.no_foreign_requests", source="GDPR, art. 25; CSP3", subject="{page_path}")
def test_page_asks_no_other_machine(page, page_path, stack_info):
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(page_path, wait_until="networkidle")
    assert asked, "the browser sent no request"
    assert [url for url in asked if not url.startswith((stack_info.url, "data:", "blob:"))] == []
