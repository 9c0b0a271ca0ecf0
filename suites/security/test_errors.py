"""Errors: the right status, the same guards as any answer, and nothing told that helps an attacker."""

import uuid

import pytest

from harness.testing.probes import ERRORS, find_leaks, framing, in_words, is_page, keeps_type, land, policy_of

NOBODYS_METHOD = "UNBIND"
"""Registered for WebDAV bindings (RFC 5842), which no service here implements; servers' parsers know the word."""
MALFORMED_PATHS = (
    "/%00",
    "/%ff%fe",
    "/..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/" + "a" * 4000,
)


@pytest.fixture
def missing(client, stack_info):
    """The answer to a path that nobody has, at the end of the redirects that add a slash or the like."""
    answer = land(client.exchange, stack_info.url, f"/no-such-path-{uuid.uuid4().hex}").answer
    if answer.status == 429:
        pytest.skip("not tried: the limiter answered 429")
    return answer


def told(answer):
    """What an answer tells of the service's inside, as one line; "" for nothing."""
    return "; ".join(map(str, find_leaks(answer.text, ERRORS)))


@pytest.mark.check(
    "errors.not_found",
    source="RFC 9110, 15.5.5",
    subject="GET /no-such-path",
    why="An answer of success for what is not there misleads clients, caches and search engines.",
    remedy="Answer 404 to a path that no route has.",
)
def test_unknown_path_is_404(missing, surface):
    if (reason := surface.manner.hides) is not None:
        pytest.skip(reason)
    assert missing.status in (404, 410), (
        f"GET {missing.path}, a path that nobody has, answered {missing.status}, and not 404"
    )


@pytest.mark.check(
    "errors.not_found_is_quiet",
    severity="high",
    source="CWE-209",
    subject="GET /no-such-path",
    why="Traces, paths and error texts tell an attacker what runs here and where it breaks.",
    remedy="Answer errors with a page or a problem document of your own; switch debug mode off.",
)
def test_unknown_path_tells_nothing(missing):
    leak = told(missing)
    assert not leak, f"GET {missing.path} answered with {leak}"


@pytest.mark.check(
    "errors.guarded",
    severity="normal",
    source="OWASP Secure Headers",
    subject="GET /no-such-path",
    why="An error page is a page: what is written into it can be framed and sniffed like any other.",
    remedy="Set the headers where all answers pass, errors too (nginx: add_header … always).",
)
def test_errors_carry_the_same_guards(missing, surface):
    if surface.manner.needs_login:
        pytest.skip(surface.manner.login_line)
    answer = missing
    if answer.status < 400:
        pytest.skip(f"not applicable: a path that nobody has is answered {answer.status}, which is no error")
    if not answer.size:
        pytest.skip("not applicable: the error has no body, so there is nothing to sniff or to frame")
    what = in_words(answer)
    kept = keeps_type(answer.header_lines("X-Content-Type-Options"))
    assert kept, f"{what} without X-Content-Type-Options: nosniff"
    if is_page(answer):
        framed_by = framing(answer.header_lines("X-Frame-Options"), policy_of(answer))
        assert framed_by != "anybody", f"{what} with a page, and neither X-Frame-Options nor frame-ancestors"


@pytest.mark.check(
    "errors.malformed_path",
    severity="high",
    source="RFC 3986; CWE-20",
    subject="GET {malformed}",
    why="A path that breaks the service, or leads out of its folder, is the first thing that scanners try.",
    remedy="Refuse what cannot be decoded with 400, and resolve paths before they are opened.",
)
@pytest.mark.attacks
@pytest.mark.parametrize("malformed", MALFORMED_PATHS, ids=lambda path: path[:24])
def test_malformed_path_is_the_clients_error(client, malformed):
    answer = client.exchange("GET", malformed)
    shown = malformed[:60]
    assert answer.status < 500, f"GET {shown} answered {answer.status}: a client's mistake became the server's"
    leak = told(answer)
    assert not leak, f"GET {shown} answered with {leak}"
    assert "root:x:0:" not in answer.text, f"GET {shown} answered with the machine's /etc/passwd"


@pytest.mark.check(
    "errors.method",
    source="RFC 9110, 15.5.6 and 15.6.2",
    subject=NOBODYS_METHOD + " {path}",
    why="Who is refused without Allow cannot know what to send instead.",
    remedy="Answer 405 with the header Allow, or 501 to a method that no route has.",
)
@pytest.mark.writes
def test_unknown_method_is_refused_with_the_known_ones(client, path):
    answer = client.exchange(NOBODYS_METHOD, path)
    what = f"{NOBODYS_METHOD} {path}, a method that nobody implements, was answered {answer.status}"
    assert 300 <= answer.status < 500 or answer.status == 501, what
    if answer.status == 405:
        assert answer.header("Allow") is not None, f"{what} without the header Allow"


@pytest.mark.check(
    "errors.query",
    severity="high",
    source="CWE-20; CWE-209",
    subject="GET {path}",
    why="Input that is not checked fails deep inside, where it can be used.",
    remedy="Check parameters before they are used; answer 400 or 422.",
)
@pytest.mark.attacks
def test_malformed_query_is_no_server_error(client, path):
    plain = told(client.exchange("GET", path))
    for query in ("?limit=-1&limit=%00&offset=99999999999999999999&q=%ff", "?id=1'%20OR%20'1'='1", "?" + "x" * 3000):
        answer = client.exchange("GET", path + query)
        assert answer.status < 500, f"GET {path}{query[:60]} answered {answer.status}"
        leak = told(answer)
        # what the path tells without a query too is another check's finding
        assert not leak or leak == plain, f"GET {path}{query[:60]} answered with {leak}"


@pytest.mark.check(
    "input.response_splitting",
    severity="critical",
    source="CWE-113",
    subject="GET {path}",
    why="Who can add a header can set cookies, or write a whole answer of their own.",
    remedy="Refuse line breaks in what goes into a header.",
)
@pytest.mark.attacks
def test_a_line_break_in_the_query_adds_no_header(client, path):
    query = "?q=%0d%0aX-Injected:%20yes"
    added = client.exchange("GET", path + query).header("X-Injected")
    assert added is None, f"GET {path}{query} answered with a header of the client's own: X-Injected: {added}"
