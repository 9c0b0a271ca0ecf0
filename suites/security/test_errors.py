"""Errors: the right status, the same guards as any answer, and nothing told that helps an attacker."""

import re
import uuid

import pytest

LEAKS = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"]{1,300}\", line \d+"
    r"|\bat [\w$.]{1,200}\(\w{1,200}\.(?:java|js|ts|kt):\d+"
    r"|/(?:home|root|usr|srv|app|opt|var)/[\w./-]{1,200}\.(?:py|js|rb|php|go)\b|psycopg|sqlalchemy|SQLSTATE"
    r"|syntax error at or near|ORA-\d{5}|node_modules|werkzeug|django\.|stack trace",
    re.IGNORECASE,
)
MALFORMED_PATHS = (
    "/%00",
    "/%ff%fe",
    "/..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/" + "a" * 4000,
)


def missing_path() -> str:
    return f"/no-such-path-{uuid.uuid4().hex}"


@pytest.mark.check("errors.not_found", source="RFC 9110, 15.5.5", subject="GET /no-such-path")
def test_unknown_path_is_404(client):
    assert client.exchange("GET", missing_path()).status == 404


@pytest.mark.check("errors.not_found_is_quiet", severity="high", source="CWE-209", subject="GET /no-such-path")
def test_unknown_path_tells_nothing(client):
    assert LEAKS.search(client.exchange("GET", missing_path()).text) is None


@pytest.mark.check("errors.guarded", severity="high", source="OWASP Secure Headers", subject="GET /no-such-path")
def test_errors_carry_the_same_guards(client):
    answer = client.exchange("GET", missing_path())
    assert (answer.header("X-Content-Type-Options") or "").lower() == "nosniff"
    assert answer.header("X-Frame-Options") or "frame-ancestors" in (answer.header("Content-Security-Policy") or "")


@pytest.mark.check("errors.malformed_path", severity="high", source="RFC 3986; CWE-20", subject="GET {malformed}")
@pytest.mark.attacks
@pytest.mark.parametrize("malformed", MALFORMED_PATHS, ids=lambda path: path[:24])
def test_malformed_path_is_the_clients_error(client, malformed):
    answer = client.exchange("GET", malformed)
    assert 300 <= answer.status < 500
    assert LEAKS.search(answer.text) is None
    assert "root:" not in answer.text


@pytest.mark.check("errors.method", source="RFC 9110, 15.5.6", subject="PATCH {path}")
@pytest.mark.writes
def test_unknown_method_is_refused_with_the_known_ones(client, path):
    answer = client.exchange("PATCH", path)
    assert answer.status in (401, 403, 404, 405)
    if answer.status == 405:
        assert answer.header("Allow"), "405 without Allow"


@pytest.mark.check("errors.query", severity="high", source="CWE-20; CWE-209", subject="GET {path}")
@pytest.mark.attacks
def test_malformed_query_is_no_server_error(client, path):
    for query in ("?limit=-1&limit=%00&offset=99999999999999999999&q=%ff", "?id=1'%20OR%20'1'='1", "?" + "x" * 3000):
        answer = client.exchange("GET", path + query)
        assert answer.status < 500, f"{query[:40]} gave {answer.status}"
        assert LEAKS.search(answer.text) is None


@pytest.mark.check("input.reflected_script", severity="critical", source="CWE-79", subject="GET {page_path}")
@pytest.mark.attacks
def test_a_script_in_the_query_comes_back_inert(client, page_path):
    needle = f"<script>x{uuid.uuid4().hex}</script>"
    for name in ("q", "search", "name", "id", "category"):
        answer = client.exchange("GET", page_path, params={name: needle})
        assert needle not in answer.text, f"?{name}= is reflected unescaped"


@pytest.mark.check("input.response_splitting", severity="critical", source="CWE-113", subject="GET {path}")
@pytest.mark.attacks
def test_a_line_break_in_the_query_adds_no_header(client, path):
    answer = client.exchange("GET", path + "?q=%0d%0aX-Injected:%20yes")
    assert answer.header("X-Injected") is None


@pytest.mark.check("input.host", severity="high", source="RFC 9110, 7.2; CWE-644", subject="GET {path}")
@pytest.mark.attacks
def test_a_forged_host_is_not_repeated(client, path):
    answer = client.exchange("GET", path, headers={"Host": "stranger.example"})
    assert "stranger.example" not in answer.text
    assert "stranger.example" not in (answer.header("Location") or "")
