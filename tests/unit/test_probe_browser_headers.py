"""Headers as the algorithms of browsers' standards read them: repeated fields, unknown words, odd characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.browser_headers import (
    framing,
    keeps_type,
    opener_policy,
    permissions_policy,
    referrer_policy,
    structured_token,
)
from harness.probes.csp import parse_csp


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ((), False),
        (("nosniff",), True),
        (("NOSNIFF ",), True),
        (("nosniff, nosniff",), True),
        (("nosniff", "nosniff"), True),
        (("nosniff, whatever",), True),
        (("whatever, nosniff",), False),
        (("whatever", "nosniff"), False),
        ((", nosniff",), False),
        (("no-sniff",), False),
        (("'nosniff'",), False),
        (('"nosniff"',), False),
    ],
)
def test_the_first_word_keeps_the_type(lines: tuple[str, ...], *, kept: bool) -> None:
    assert keeps_type(lines) is kept


@pytest.mark.parametrize(
    ("lines", "metas", "policy"),
    [
        ((), (), ""),
        (("no-referrer",), (), "no-referrer"),
        (("Strict-Origin",), (), "strict-origin"),
        (("unsafe-url, no-referrer",), (), "no-referrer"),
        (("no-referrer, whimsy",), (), "no-referrer"),
        (("no-referrer", "unsafe-url"), (), "unsafe-url"),
        (("no-referrer,",), (), "no-referrer"),
        (("whimsy",), (), ""),
        (("never",), (), ""),  # a word of <meta> alone
        ((), ("never",), "no-referrer"),
        (("no-referrer",), ("always",), "unsafe-url"),
        (("no-referrer",), ("whimsy",), "no-referrer"),
        ((), ("origin", "same-origin"), "same-origin"),
    ],
)
def test_the_last_known_word_is_the_policy(lines: tuple[str, ...], metas: tuple[str, ...], policy: str) -> None:
    assert referrer_policy(lines, metas) == policy


@pytest.mark.parametrize(
    ("options", "policy", "who"),
    [
        ((), "", "anybody"),
        (("DENY",), "", "nobody"),
        (("deny", "DENY"), "", "nobody"),
        (("SAMEORIGIN",), "", "some"),
        (("SAMEORIGIN, SAMEORIGIN",), "", "some"),
        (("SAMEORIGIN", "DENY"), "", "nobody"),
        (("DENY", "whatever"), "", "nobody"),
        (("ALLOWALL",), "", "anybody"),
        (("ALLOW-FROM https://a.example",), "", "anybody"),
        (("this, that",), "", "anybody"),
        (("DENY",), "frame-ancestors *", "anybody"),
        (("ALLOWALL",), "frame-ancestors 'none'", "nobody"),
        ((), "frame-ancestors 'self' https://a.example", "some"),
        ((), "frame-ancestors https:", "anybody"),
        ((), "frame-ancestors", "nobody"),
        (("DENY",), "default-src 'none'", "nobody"),
        ((), "default-src 'none'", "anybody"),
        ((), "frame-ancestors *, frame-ancestors 'none'", "nobody"),
    ],
)
def test_who_may_frame(options: tuple[str, ...], policy: str, who: str) -> None:
    assert framing(options, parse_csp([policy] if policy else [])) == who


def test_ancestors_in_a_meta_count_for_nobody() -> None:
    assert framing(["DENY"], parse_csp([], ["frame-ancestors *"])) == "nobody"
    assert framing([], parse_csp([], ["frame-ancestors 'none'"])) == "anybody"


@pytest.mark.parametrize(
    ("lines", "policy"),
    [
        ((), "unsafe-none"),
        (("same-origin",), "same-origin"),
        (('same-origin; report-to="coop"',), "same-origin"),
        ((" same-origin-allow-popups ",), "same-origin-allow-popups"),
        (("same-origin, same-origin",), "unsafe-none"),
        (("same-origin", "same-origin"), "unsafe-none"),
        (('"same-origin"',), "unsafe-none"),
        (("same-origin; report-to=coop endpoint",), "unsafe-none"),
        (("same-origin;",), "unsafe-none"),
        (("1",), "unsafe-none"),
        (("same-örigin",), "unsafe-none"),
    ],
)
def test_the_opener_policy_in_force(lines: tuple[str, ...], policy: str) -> None:
    assert opener_policy(lines) == policy


@pytest.mark.parametrize(
    ("lines", "limited"),
    [
        (("camera=()",), True),
        (("camera=(self)",), True),
        (("camera=self",), True),
        (('camera=(self "https://a.example")',), True),
        (("camera=*",), False),
        (("camera=(*)",), False),
        (("microphone=()",), False),
        (("camera=()", "microphone=()"), True),
        (("camera=*, camera=()",), True),  # of repeated keys the last one counts
        (("camera=(), camera=*",), False),
        (("camera 'none'",), False),  # Feature-Policy's grammar: all of the header is ignored
        (("camera=();microphone=()",), False),
        (("camera=(),",), False),
        (("Camera=()",), False),
    ],
)
def test_features_that_are_limited(lines: tuple[str, ...], *, limited: bool) -> None:
    assert permissions_policy(lines).is_limited("camera") is limited


def test_a_permissions_policy_that_cannot_be_read_is_told_from_none() -> None:
    assert permissions_policy([]).features == {}
    assert permissions_policy(["camera 'none'"]).features is None


@given(st.lists(st.text(max_size=50), max_size=3))
def test_no_text_whatsoever_breaks_a_reader(lines: list[str]) -> None:
    keeps_type(lines)
    referrer_policy(lines, lines)
    framing(lines, parse_csp(lines))
    opener_policy(lines)
    structured_token(["9" * 5000, *lines])
    permissions_policy(lines).is_limited("camera")
    permissions_policy([f"camera={line}" for line in lines])
