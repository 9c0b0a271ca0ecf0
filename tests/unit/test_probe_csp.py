"""Content-Security-Policy as a browser applies it; each weakness with a near miss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.csp import Csp, parse_csp

STRICT = (
    "default-src 'self'; script-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def csp(*lines: str) -> Csp:
    return parse_csp(lines)


def test_a_strict_policy_leaves_nothing_open() -> None:
    seen = csp(STRICT)
    assert seen.missing() == ()
    assert seen.problems == ()
    assert not seen.has_unsafe_inline("script-src")
    assert not seen.has_unsafe_inline("style-src")
    assert not seen.allows_eval()
    assert seen.wide_sources("script-src") == ()
    assert seen.forbids("object-src")
    assert not seen.forbids("script-src")


def test_no_policy_allows_everything() -> None:
    seen = csp()
    assert seen.has_unsafe_inline()
    assert seen.allows_eval()
    assert seen.wide_sources("script-src") == ("*",)
    assert not seen.governs("script-src")
    assert seen.missing() == ("script-src", "object-src", "base-uri", "form-action", "frame-ancestors")


@pytest.mark.parametrize(
    ("policy", "unsafe"),
    [
        ("script-src 'unsafe-inline'", True),
        ("script-src 'UNSAFE-INLINE' https://a.example", True),
        ("default-src 'unsafe-inline'", True),
        ("style-src 'unsafe-inline'", True),  # nothing governs scripts
        ("default-src 'self'; style-src 'unsafe-inline'", False),
        ("script-src 'unsafe-inline' 'nonce-YWJj'", False),
        ("script-src 'unsafe-inline' 'sha256-YWJj+/_-='", False),
        ("script-src 'unsafe-inline' 'strict-dynamic'", False),
        ("script-src 'unsafe-inline' 'nonce-'", True),
        ("script-src unsafe-inline", False),  # a host of that name
        ("default-src 'unsafe-inline'; script-src 'self'", False),
        ("script-src 'self'; script-src 'unsafe-inline'", False),  # the first counts
    ],
)
def test_inline_scripts(policy: str, *, unsafe: bool) -> None:
    assert csp(policy).has_unsafe_inline("script-src") is unsafe


def test_strict_dynamic_is_for_scripts_alone() -> None:
    assert csp("style-src 'unsafe-inline' 'strict-dynamic'").has_unsafe_inline("style-src")


def test_elements_and_attributes_fall_back() -> None:
    seen = csp("script-src 'unsafe-inline'; script-src-attr 'none'")
    assert seen.has_unsafe_inline("script-src-elem")
    assert not seen.has_unsafe_inline("script-src-attr")


@pytest.mark.parametrize(
    ("policy", "directive", "wide"),
    [
        ("script-src *", "script-src", ("*",)),
        ("script-src https:", "script-src", ("https:",)),
        ("script-src https://*", "script-src", ("https://*",)),
        ("script-src *:443", "script-src", ("*:443",)),
        ("script-src https://*.example.org", "script-src", ()),
        ("script-src 'self' data:", "script-src", ("data:",)),
        ("default-src *; script-src 'self'", "script-src", ()),
        ("default-src *; script-src 'self'", "img-src", ("*",)),
        ("script-src 'self'", "img-src", ("*",)),
        ("script-src https: 'strict-dynamic' 'nonce-YQ=='", "script-src", ()),
        ("worker-src *", "worker-src", ("*",)),
        ("script-src *", "worker-src", ("*",)),
        ("child-src 'none'; script-src *", "worker-src", ()),
    ],
)
def test_sources_that_let_in_any_host(policy: str, directive: str, wide: tuple[str, ...]) -> None:
    assert csp(policy).wide_sources(directive) == wide


def test_default_src_does_not_stand_in_for_everything() -> None:
    assert csp("default-src 'none'").missing() == ("base-uri", "form-action", "frame-ancestors")
    assert csp("script-src 'self'").missing() == ("object-src", "base-uri", "form-action", "frame-ancestors")


@pytest.mark.parametrize("lines", [("script-src 'unsafe-inline'", STRICT), (f"script-src 'unsafe-inline', {STRICT}",)])
def test_of_several_policies_the_strictest_counts(lines: tuple[str, ...]) -> None:
    seen = csp(*lines)
    assert len(seen.policies) == 2
    assert not seen.has_unsafe_inline()
    assert not seen.allows_eval()
    assert seen.wide_sources("img-src") == ()
    assert seen.missing() == ()


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("script-src 'self'; script-src *", "script-src stands there again"),
        ("scripts-src 'self'", "scripts-src is no directive"),
        ("script-src self", "self does nothing without its quotes"),
        ("script-src 'none' 'self'", "'none' is ignored"),
    ],
)
def test_mistakes_are_named(policy: str, says: str) -> None:
    assert says in " ".join(csp(policy).problems)


def test_eval() -> None:
    assert csp("script-src 'self' 'unsafe-eval'").allows_eval()
    assert csp("default-src 'unsafe-eval'").allows_eval()
    assert not csp("default-src 'unsafe-eval'; script-src 'self'").allows_eval()
    assert csp("img-src 'self'").allows_eval()


def test_an_empty_list_forbids_as_none_does() -> None:
    assert csp("object-src").forbids("object-src")
    assert csp("object-src 'NONE'").forbids("object-src")
    assert not csp("object-src 'self'").forbids("object-src")


@given(st.lists(st.text(max_size=60), max_size=3))
def test_no_text_whatsoever_breaks_the_reader(lines: list[str]) -> None:
    seen = parse_csp(lines)
    assert all(policy.directives for policy in seen.policies)
    assert all(policy.sources(name) is not None for policy in seen.policies for name in policy.directives)
