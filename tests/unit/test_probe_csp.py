"""Content-Security-Policy as a browser applies it; each weakness with a near miss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.csp import Csp, parse_csp
from harness.probes.csp_flaws import find_holes, find_mistakes

STRICT = (
    "default-src 'self'; script-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

INLINE = "has 'unsafe-inline', so inline code in"


def csp(*lines: str) -> Csp:
    return parse_csp(lines)


def test_a_strict_policy_leaves_nothing_open() -> None:
    seen = csp(STRICT)
    assert find_holes(seen) == find_mistakes(seen) == ()
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
    assert find_holes(seen) == ()  # that there is none at all is said elsewhere


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


@pytest.mark.parametrize(
    ("policy", "open_ones"),
    [
        ("sandbox", {"base-uri", "style-src"}),
        ("sandbox allow-forms", {"base-uri", "style-src", "form-action"}),
        ("sandbox ALLOW-Scripts", {"base-uri", "style-src", "script-src"}),
    ],
)
def test_a_sandbox_keeps_off_what_it_does_not_allow(policy: str, open_ones: set[str]) -> None:
    assert {hole.family for hole in find_holes(csp(policy))} == open_ones


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
    assert {hole.text for hole in find_holes(csp("default-src 'none'"))} == {
        "nothing governs base-uri",
        "nothing governs form-action",
    }
    assert "nothing governs object-src" in {hole.text for hole in find_holes(csp("script-src 'self'"))}


@pytest.mark.parametrize("lines", [("script-src 'unsafe-inline'", STRICT), (f"script-src 'unsafe-inline', {STRICT}",)])
def test_of_several_policies_the_strictest_counts(lines: tuple[str, ...]) -> None:
    seen = csp(*lines)
    assert len(seen.policies) == 2
    assert not seen.has_unsafe_inline()
    assert not seen.allows_eval()
    assert seen.wide_sources("img-src") == ()
    assert find_holes(seen) == ()


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("script-src 'self'; script-src *", "script-src stands there again"),
        ("scripts-src 'self'", "did you mean script-src?"),
        ("script-src: 'self'", "did you mean script-src?"),
        ("script-src self", "self does nothing without its single quotes"),
        ("script-src UNSAFE-INLINE", "does nothing without its single quotes"),
        ("script-src nonce-abcdefgh", "does nothing without its single quotes"),
        ("script-src sha256-abc", "does nothing without its single quotes"),
        ("script-src 'unsafe-inlin'", "did you mean 'unsafe-inline'?"),
        ("script-src 'self", "is no keyword"),
        ("script-src \u2018self\u2019", "outside ASCII"),
        ('script-src "self"', "is no keyword"),
        ("script-src 'nonce-***'", "is no keyword"),
        ("script-src 'none' 'self'", "'none' is ignored"),
        ("default-src 'self' script-src 'self'", "a semicolon is missing before script-src"),
        ("default-src 'self' frame-ancestors 'none'; base-uri 'none'", "a semicolon is missing before frame-ancestors"),
        ("script-src 'strict-dynamic'", "lets no script run at all"),
        ("script-src //cdn.example", "is no source"),
        ("require-trusted-types-for script", "'script', in single quotes"),
        ("require-trusted-types-for 'style'", "'script', in single quotes"),
        *(
            (f"script-src 'self' {word}", "is no source that browsers read")
            for word in (
                *("example.*", "*example.com", "https://exa*mple.com", "*.*.example", "a.example:x", "https://"),
                *("https//cdn.example", "http:/cdn.example", "https:*"),
            )
        ),
    ],
)
def test_mistakes_are_named(policy: str, says: str) -> None:
    (mistake,) = find_mistakes(csp(policy))
    assert says in mistake.text


@pytest.mark.parametrize(
    "policy",
    [
        f"{STRICT}; block-all-mixed-content; upgrade-insecure-requests",
        f"{STRICT}; report-uri /a; report-uri /b; report-to default-src",
        f"{STRICT}; prefetch-src 'self'; plugin-types application/pdf",
        f"{STRICT}; require-trusted-types-for 'script'; trusted-types 'allow-duplicates' dompurify",
        f"{STRICT}; sandbox allow-scripts allow-same-origin; webrtc 'block'",
        f"{STRICT}; script-src-elem 'self' 'report-sample' 'wasm-unsafe-eval' 'inline-speculation-rules'",
        f"{STRICT}; connect-src wss://a.example:* blob:",
        f"{STRICT}; connect-src ws://127.0.0.1:9 [::1]:80 localhost:3000 a_b.example *.localhost https.example https:",
        f"{STRICT}; img-src https://*.a.example:*/c/d?e mediastream: filesystem: data:; fenced-frame-src 'self'",
    ],
)
def test_words_that_browsers_knew_or_know_are_no_mistakes(policy: str) -> None:
    assert find_mistakes(csp(policy)) == ()
    assert find_holes(csp(policy)) == ()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("script-src-elem 'unsafe-inline'", ["script-src-elem has 'unsafe-inline', so inline code in <script> runs"]),
        ("script-src-elem 'self' https:", ["script-src-elem has https:, so whatever anybody serves is let in"]),
        (
            "script-src-attr 'unsafe-inline'",
            [f"script-src-attr {INLINE} event handlers runs"],
        ),
        ("script-src-attr 'unsafe-inline' 'nonce-abcdefgh'", []),
        ("style-src-elem 'unsafe-inline'", ["style-src-elem has 'unsafe-inline', so inline code in <style> runs"]),
        (
            "style-src-attr 'unsafe-inline'",
            [f"style-src-attr {INLINE} style attributes runs"],
        ),
        ("worker-src *", ["worker-src has *, so whatever anybody serves is let in"]),
        ("child-src https:", ["child-src has https:, so whatever anybody serves is let in"]),
        ("worker-src blob:", []),
        ("img-src *; connect-src *; font-src data:", []),
        (
            "script-src-elem 'nonce-abc'",
            ["script-src-elem has 'nonce-abc', and fewer than 8 characters can be guessed"],
        ),
    ],
)
def test_the_directive_in_force_for_each_element_decides(more: str, says: list[str]) -> None:
    assert [hole.text for hole in find_holes(csp(f"{STRICT}; style-src 'self'; {more}"))] == says


@pytest.mark.parametrize(
    ("policy", "element", "source"),
    [
        ("object-src *", "object-src", "*"),
        ("form-action https:", "form-action", "https:"),
        ("base-uri *", "base-uri", "*"),
    ],
)
def test_a_directive_is_judged_by_what_it_holds(policy: str, element: str, source: str) -> None:
    found = [hole for hole in find_holes(csp(policy)) if hole.element == element]
    assert [(hole.kind, hole.source) for hole in found] == [("anybody", source)]


@pytest.mark.parametrize(
    ("sources", "around"),
    [
        ("cdnjs.cloudflare.com", True),
        ("https://*.googleapis.com", True),
        ("https://cdn.jsdelivr.net:443", True),
        ("https://ajax.googleapis.com/ajax/libs/angularjs/", True),
        ("https://ajax.googleapis.com/ajax/libs/jquery/", False),
        ("https://www.googletagmanager.com", False),
        ("https://www.googletagmanager.com 'unsafe-eval'", True),
        ("https://static.example.org", False),
        ("https://googleapis.com.example.org", False),
        ("https://cdnjs.cloudflare.com 'strict-dynamic' 'nonce-abcdefgh'", False),
    ],
)
def test_hosts_by_which_a_policy_can_be_gone_around(sources: str, *, around: bool) -> None:
    kinds = {hole.kind for hole in find_holes(csp(f"script-src {sources}"))}
    assert ("known host" in kinds) is around


def test_a_hole_must_be_in_every_policy() -> None:
    wide, narrow = "script-src 'unsafe-inline' https:", "script-src cdnjs.cloudflare.com"
    kinds = {hole.kind for hole in find_holes(csp(wide, narrow)) if hole.element.startswith("script")}
    assert kinds == {"known host"}
    assert not [hole for hole in find_holes(csp(wide, STRICT)) if hole.element.startswith("script")]


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        ("script-src 'nonce-abcdefgh'", "moved base"),
        ("script-src 'sha256-abc' 'strict-dynamic'", "moved base"),
        ("script-src 'nonce-abcdefgh'; base-uri https:", "moved base"),
        ("script-src 'self'", "anybody"),
        ("script-src 'nonce-abcdefgh'; base-uri 'none'", None),
    ],
)
def test_a_moved_base_is_worse_where_a_nonce_lets_scripts_in(policy: str, kind: str | None) -> None:
    assert [hole.kind for hole in find_holes(csp(policy)) if hole.element == "base-uri"] == ([kind] if kind else [])


def test_what_a_meta_may_say() -> None:
    seen = parse_csp([], [STRICT])
    assert not seen.has_unsafe_inline()
    assert not seen.names("frame-ancestors")
    assert find_mistakes(seen) == ()
    (mistake,) = find_mistakes(parse_csp([], [f"{STRICT}; sandbox"]))
    assert mistake.text == "sandbox in a <meta> is ignored: only a header may say it"
    assert parse_csp([], ["frame-ancestors 'none'"]).policies


def test_nonces_are_found_wherever_they_stand() -> None:
    assert csp("script-src 'nonce-aaaa'; style-src 'nonce-bbbb'", "default-src 'NONCE-cccc'").nonces() == {
        "aaaa", "bbbb", "cccc"
    }  # fmt: skip


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
    assert all(policy.directives or policy.unread for policy in seen.policies)
    assert all(hole.text for hole in find_holes(seen))
    assert all(mistake.text for mistake in find_mistakes(seen))
    assert all(policy.sources(name) is not None for policy in seen.policies for name in policy.directives)
