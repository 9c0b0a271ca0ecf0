"""google/csp-evaluator's own test values on our reader: which policies it complains of, and of what.

The values are those of its commit d5cddb9 (checks/security_checks_test.ts, checks/parser_checks_test.ts; Apache-2.0,
Google Inc.). A complaint of severity HIGH, SYNTAX or MEDIUM is a flaw; "maybe", INFO and advice on strict policies are
none (docs/headers.md).
"""

from __future__ import annotations

import pytest

from harness.probes.csp import parse_csp
from harness.probes.csp_flaws import find_holes, find_mistakes

XSS = {"script-src", "script-src-elem", "script-src-attr", "worker-src", "object-src", "base-uri"}

INLINE, EVAL, ANYBODY, HOST, PLAIN, NONCE = "inline", "eval", "anybody", "known host", "plain http", "short nonce"
UNKNOWN, SEMICOLON, KEYWORD = "unknown directive", "no semicolon", "no keyword"
TAGS = "https://googletagmanager.com"

VALUES = [
    # checkScriptUnsafeInline
    ("default-src https:; script-src 'unsafe-inline'; script-src-elem 'unsafe-inline';", INLINE, True),
    ("default-src 'unsafe-inline'", INLINE, True),
    ("script-src 'unsafe-hashes' 'sha256-1DCfk1NYWuHMfoobarfoobar='", INLINE, False),
    ("default-src 'unsafe-inline'; script-src https:; script-src-attr https:; script-src-elem https:", INLINE, False),
    ("script-src 'unsafe-inline' 'nonce-foobar'; script-src-elem 'unsafe-inline' 'nonce-foobar';", INLINE, False),
    ("script-src 'unsafe-inline' 'nonce-invalid$';", INLINE, True),
    ("script-src 'unsafe-inline' 'sha256-invalid$';", INLINE, True),
    ("script-src 'nonce-aaaaaaaaaa' strict-dynamic; script-src-elem 'unsafe-inline';", INLINE, True),
    # checkScriptUnsafeEval
    (
        "default-src https:; script-src 'unsafe-eval'; script-src-attr 'unsafe-eval'; script-src-elem 'unsafe-eval';",
        EVAL,
        True,
    ),
    ("default-src 'unsafe-eval'", EVAL, True),
    # checkPlainUrlSchemes
    ("script-src data: http: https: sthInvalid:", ANYBODY, True),
    ("object-src data: http: https: sthInvalid:", ANYBODY, True),
    ("base-uri data: http: https: sthInvalid:", ANYBODY, True),
    ("default-src https:; object-src data: sthInvalid:", ANYBODY, True),
    ("default-src https:; object-src 'none'; script-src 'none'; base-uri 'none'", ANYBODY, False),
    # checkWildcards
    ("script-src * http://* //*; script-src-attr * http://* //*; script-src-elem * http://* //*", ANYBODY, True),
    ("object-src * http://* //*", ANYBODY, True),
    ("base-uri * http://* //*", ANYBODY, True),
    ("default-src *; object-src * ignore.me.com", ANYBODY, True),
    ("default-src *; object-src *.foo.bar; script-src 'none'; base-uri 'none'", ANYBODY, False),
    # checkMissingDirectives
    ("script-src 'none'", "object-src", True),
    ("object-src 'none'", "script-src", True),
    ("object-src 'self'", "script-src", True),
    ("script-src 'nonce-123'; object-src 'none'", "base-uri", True),
    ("script-src 'sha256-123456' 'strict-dynamic'; object-src 'none'", "base-uri", True),
    ("script-src 'sha256-123456'; object-src 'none'", "base-uri", False),
    ("script-src 'none'; object-src 'none'", "base-uri", False),
    ("default-src https:;", "object-src", False),
    ("default-src 'none';", "script-src", False),
    # checkScriptAllowlistBypass
    ("script-src *.google.com", HOST, True),
    ("script-src *.google.com 'none'; script-src-elem *.google.com 'none'", HOST, False),
    (
        f"script-src {TAGS} 'unsafe-eval'; script-src-elem {TAGS} 'unsafe-eval'",
        HOST,
        True,
    ),
    (f"script-src {TAGS}; script-src-elem {TAGS};", HOST, False),
    ("script-src gstatic.com; script-src-elem gstatic.com", HOST, True),
    ("script-src foo.bar; script-src-elem foo.bar", HOST, False),
    ("script-src 'self'; script-src-attr 'self'; script-src-elem 'self'", HOST, False),
    # checkFlashObjectAllowlistBypass
    ("object-src https://*.googleapis.com", HOST, True),
    ("object-src https://foo.bar", HOST, False),
    ("object-src 'self'", HOST, False),
    # checkNonceLength
    ("script-src 'nonce-veryLongRandomNonce'", NONCE, False),
    ("script-src 'nonce-short'", NONCE, True),
    # checkSrcHttp
    ("script-src http://foo.bar https://test.com; report-uri http://test.com", PLAIN, True),
    # checkUnknownDirective, checkMissingSemicolon, checkInvalidKeyword
    ("foobar-src http:", UNKNOWN, True),
    ("default-src foo.bar script-src 'none'", SEMICOLON, True),
    ("script-src strict-dynamic nonce-test sha256-asdf", KEYWORD, True),
    ("script-src 'foo-bar'", KEYWORD, True),
    ("script-src 'nonce-invalid$'", KEYWORD, True),
    ("script-src 'sha256-invalid$'", KEYWORD, True),
    ("require-trusted-types-for 'script'", KEYWORD, False),
    ("trusted-types 'allow-duplicates' policy1", KEYWORD, False),
    # checkDeprecatedDirective gives INFO
    ("report-uri foo.bar/csp;report-to abc", UNKNOWN, False),
    ("report-to abc", UNKNOWN, False),
    ("reflected-xss block", UNKNOWN, False),
    ("referrer origin", UNKNOWN, False),
    ("prefetch-src test", UNKNOWN, False),
]

DECIDED_OTHERWISE = {("object-src https://*.googleapis.com", HOST): "no browser runs Flash any more"}


def complains(policy: str, of: str) -> bool:
    """Do we say of the policy what csp-evaluator's check says?"""
    csp = parse_csp([policy])
    holes = [hole for hole in find_holes(csp) if hole.element in XSS]
    if of == "base-uri":
        return any(hole.kind == "moved base" for hole in holes)
    if of in XSS:
        return any(not hole.directive and hole.family == of for hole in holes)
    written = {hole.kind for hole in holes if hole.directive}
    return of in written | {mistake.kind for mistake in find_mistakes(csp)}


@pytest.mark.parametrize(("policy", "of", "complaint"), VALUES)
def test_the_same_policy_gets_the_same_answer(policy: str, of: str, *, complaint: bool) -> None:
    otherwise = (policy, of) in DECIDED_OTHERWISE
    assert complains(policy, of) is (complaint is not otherwise)


def test_agreement_is_what_the_documentation_says() -> None:
    agreeing = [complains(policy, of) is complaint for policy, of, complaint in VALUES]
    assert len(agreeing) - sum(agreeing) == len(DECIDED_OTHERWISE)
    assert sum(agreeing) / len(agreeing) >= 0.95
