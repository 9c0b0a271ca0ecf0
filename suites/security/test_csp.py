"""Content-Security-Policy as browsers apply it (CSP Level 3)."""

import pytest

from harness.testing.probes import parse_csp


@pytest.fixture
def csp(client, page_path):
    return parse_csp(client.exchange("GET", page_path).header_lines("Content-Security-Policy"))


@pytest.mark.check("csp.present", severity="high", source="CSP3", subject="GET {page_path}")
def test_page_has_a_policy(csp):
    assert csp.policies, "no Content-Security-Policy"
    assert csp.problems == ()


@pytest.mark.check("csp.scripts", severity="critical", source="CSP3, 6.7.3", subject="GET {page_path}")
def test_foreign_scripts_do_not_run(csp):
    assert csp.governs("script-src")
    assert not csp.has_unsafe_inline("script-src"), "inline scripts run"
    assert not csp.allows_eval(), "eval runs"
    assert csp.wide_sources("script-src") == ()


@pytest.mark.check("csp.styles", source="CSP3, 6.7.3", subject="GET {page_path}")
def test_foreign_styles_do_not_apply(csp):
    assert not csp.has_unsafe_inline("style-src"), "inline styles apply"
    assert csp.wide_sources("style-src") == ()


@pytest.mark.check("csp.complete", source="CSP3; OWASP CSP Cheat Sheet", subject="GET {page_path}")
def test_nothing_is_left_open(csp):
    assert csp.missing() == ()


@pytest.mark.check("csp.frames", severity="high", source="CSP3, 6.4.2", subject="GET {page_path}")
def test_no_stranger_may_frame_the_page(csp):
    assert csp.names("frame-ancestors")
    assert csp.wide_sources("frame-ancestors") == ()


@pytest.mark.check("csp.base", source="CSP3, 6.3.1", subject="GET {page_path}")
def test_base_cannot_be_moved(csp):
    assert csp.names("base-uri")
    assert csp.wide_sources("base-uri") == ()
