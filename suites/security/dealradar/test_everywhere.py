"""The guards of an answer do not depend on who made it: also redirects, files, errors and refusals carry them all."""

import pytest

from harness.testing.probes import parse_media_type

ANSWERS = {
    "/favicon.ico": 308,
    "/deals": 307,
    "/alerts": 303,
    "/dashboard": 303,
    "/static/dealradar.css": 200,
    "/static/dashboard.js": 200,
    "/static/no-such-file": 404,
    "/no-such-page": 404,
    "/deals/0": 422,
    "/api/auth/me": 401,
    "/api/no-such-path": 404,
    "/api/deals/0": 422,
    "/api/deals?q=" + "x" * 9_000: 414,
}


@pytest.mark.check("headers.everywhere", severity="high", source="OWASP Secure Headers", subject="GET {short}")
@pytest.mark.parametrize("short", [path[:24] for path in ANSWERS])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_answer_carries_all_guards(client, stack_info, short, accept):
    ((path, status),) = ((path, status) for path, status in ANSWERS.items() if path[:24] == short)
    answer = client.exchange("GET", path, headers={"Accept": accept, "X-Forwarded-Proto": "https"})
    assert answer.status == status
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Referrer-Policy") == "strict-origin-when-cross-origin"
    kind = parse_media_type(answer.header("Content-Type"))
    if kind is not None and kind.is_html:
        assert kind.parameters.get("charset") == "utf-8", (
            f"GET {path} answered HTML without charset=utf-8 in its header"
        )
    policy = answer.header("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe-" not in policy
    assert "camera=()" in (answer.header("Permissions-Policy") or "")
    for name in ("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"):
        assert answer.header(name) == "same-origin"
    assert answer.header("Cross-Origin-Embedder-Policy") == "require-corp"
    years = 2 if stack_info.settings.get("ENVIRONMENT") == "production" else 1
    assert answer.header("Strict-Transport-Security") == f"max-age={years * 31_536_000}; includeSubDomains"
