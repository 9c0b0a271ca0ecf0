"""Content-Security-Policy of documents, by what it lets through in a browser (CSP Level 3).

What `csp.present` misses no other check complains of: one cause is one finding.
"""

import pytest

from harness.testing.probes import find_holes, find_mistakes, in_words, policy_of, why_not_due

SCRIPTS = {"script-src-elem", "script-src-attr", "script-src", "worker-src"}
STYLES = {"style-src-elem", "style-src-attr"}
OTHERS = {"object-src", "form-action"}
RUNNING = ("inline", "eval", "moved base")


@pytest.fixture
def document(client, page_path):
    """The page's answer, if it is an HTML document."""
    answer = client.exchange("GET", page_path)
    reason = why_not_due(answer, "document")
    if reason:
        pytest.skip(reason)
    return answer


@pytest.fixture
def csp(document):
    """Its policy, if it has one."""
    policy = policy_of(document)
    if not policy.policies:
        pytest.skip("not applicable: the page has no policy, as csp.present says")
    return policy


@pytest.fixture
def governing(csp):
    """A policy that is about scripts at all: where none is, csp.scripts says so, and that is one cause."""
    if not csp.governs("script-src"):
        pytest.skip("not applicable: nothing governs scripts, as csp.scripts says")
    return csp


def without_those_of_scripts(policy, elements, *kinds):
    """The same, but for what csp.scripts says already: a word of default-src is one cause, whatever it lets in."""
    said = {(hole.directive, hole.source) for hole in find_holes(policy) if hole.element in SCRIPTS and hole.directive}
    found = [hole for hole in find_holes(policy) if hole.element in elements and (not kinds or hole.kind in kinds)]
    new = [hole.text for hole in found if (hole.directive, hole.source) not in said]
    if found and not new:
        pytest.skip("not applicable: csp.scripts says it of the same word")
    return list(dict.fromkeys(new))


def holes_in(policy, elements, *kinds):
    """What the policy lets through for these elements, in words, each cause once."""
    found = [hole for hole in find_holes(policy) if hole.element in elements and (not kinds or hole.kind in kinds)]
    return list(dict.fromkeys(hole.text for hole in found))


@pytest.mark.check(
    "csp.present",
    severity="normal",
    source="CSP3; OWASP ASVS 5, V3.4",
    subject="GET {page_path}",
    why="Without a policy, whatever is smuggled into the page as script runs.",
    remedy="Send Content-Security-Policy, to begin with: default-src 'self'; object-src 'none'; base-uri 'none'.",
)
def test_page_has_a_policy(document):
    reported = document.header("Content-Security-Policy-Report-Only")
    assert policy_of(document).policies, (
        f"{in_words(document)} with Content-Security-Policy-Report-Only alone, which stops nothing"
        if reported
        else f"{in_words(document)} without Content-Security-Policy"
    )


@pytest.mark.check(
    "csp.written",
    severity="normal",
    source="CSP3, 2.2 and 2.3",
    subject="GET {page_path}",
    why="What browsers cannot read protects nothing, although it looks as if it did.",
    remedy="Write the word as CSP3 has it, and test the policy in a browser's console.",
)
def test_browsers_understand_the_policy(document, csp):
    mistakes = [mistake.text for mistake in find_mistakes(csp)]
    assert not mistakes, f"{in_words(document)} with Content-Security-Policy in which {'; '.join(mistakes)}"


@pytest.mark.check(
    "csp.scripts",
    severity="normal",
    source="CSP3, 6.7.3 and 6.8.3",
    subject="GET {page_path}",
    why="The policy does not stop a script that was smuggled into the page.",
    remedy="Let scripts in by nonce or from 'self', without 'unsafe-inline', 'unsafe-eval', data: and whole schemes.",
)
def test_foreign_scripts_do_not_run(document, csp):
    open_ways = {*holes_in(csp, {*SCRIPTS, "base-uri"}, *RUNNING), *holes_in(csp, SCRIPTS, "anybody")}
    assert not open_ways, f"{in_words(document)} with Content-Security-Policy in which {'; '.join(sorted(open_ways))}"


@pytest.mark.check(
    "csp.hosts",
    severity="minor",
    source="google/csp-evaluator, allowlist bypasses",
    subject="GET {page_path}",
    why="A host that serves JSONP or AngularJS runs whatever its address says, so the policy can be gone around.",
    remedy="Serve the script from this host, name its whole path, or let it in by nonce or hash.",
)
def test_hosts_cannot_be_used_to_go_around_the_policy(document, governing, stack_info):
    kinds = ("known host", "plain http") if stack_info.url.startswith("https:") else ("known host",)
    hosts = holes_in(governing, SCRIPTS | OTHERS, *kinds)
    assert not hosts, f"{in_words(document)} with Content-Security-Policy in which {'; '.join(hosts)}"


@pytest.mark.check(
    "csp.nonce",
    severity="normal",
    source="CSP3, 7.1",
    subject="GET {page_path}",
    why="A nonce that can be known before lets in every script that carries it.",
    remedy="Make a nonce of at least 128 random bits for each answer.",
)
def test_a_nonce_is_used_once(client, page_path, document, csp):
    nonces = csp.nonces()
    if not nonces:
        pytest.skip("not applicable: the policy has no nonce")
    again = policy_of(client.exchange("GET", page_path)).nonces()
    assert not nonces & again, f"two answers to GET {page_path} have the same nonce in their Content-Security-Policy"
    short = [hole.text for hole in find_holes(csp) if hole.kind == "short nonce"]
    assert not short, f"{in_words(document)} with Content-Security-Policy in which {'; '.join(short)}"


@pytest.mark.check(
    "csp.styles",
    severity="minor",
    source="CSP3, 6.7.3 and 6.8.3",
    subject="GET {page_path}",
    why="Styles that were smuggled into the page can read what stands in its fields, and change what it shows.",
    remedy="Move inline styles into a file, or let them in by nonce or hash.",
)
def test_foreign_styles_do_not_apply(document, governing):
    open_ways = without_those_of_scripts(governing, STYLES)
    assert not open_ways, f"{in_words(document)} with Content-Security-Policy in which {'; '.join(open_ways)}"


@pytest.mark.check(
    "csp.complete",
    severity="minor",
    source="CSP3; OWASP CSP Cheat Sheet",
    subject="GET {page_path}",
    why="Plugins run scripts of their own, and a form that was smuggled in sends what visitors type elsewhere.",
    remedy="Add object-src 'none' and form-action 'self'; default-src does not stand in for form-action.",
)
def test_nothing_is_left_open(document, governing):
    open_ways = without_those_of_scripts(governing, OTHERS, "anybody")
    assert not open_ways, f"{in_words(document)} with Content-Security-Policy in which {'; '.join(open_ways)}"


@pytest.mark.check(
    "csp.base",
    severity="minor",
    source="CSP3, 6.3.1",
    subject="GET {page_path}",
    why="A <base> that was smuggled in makes every relative address of the page lead elsewhere.",
    remedy="Add base-uri 'none' or 'self'; default-src does not stand in for it.",
)
def test_base_cannot_be_moved(document, governing):
    if holes_in(governing, {"base-uri"}, "moved base"):
        pytest.skip("not applicable: csp.scripts says that the page's base can be moved")
    open_ways = holes_in(governing, {"base-uri"})
    assert not open_ways, f"{in_words(document)} with Content-Security-Policy in which {'; '.join(open_ways)}"
