"""An error that nobody foresaw tells whoever asked nothing, and operators enough; as production runs the service."""

import pytest

from harness.testing import eventually
from harness.testing.probes import ERRORS, find_leaks

pytestmark = [
    pytest.mark.breaks,
    pytest.mark.writes,
    pytest.mark.rig(workers=0, env={"ENVIRONMENT": "production"}),
]


@pytest.fixture
def without_deals(rig):
    with rig.database() as db:
        db.execute("ALTER TABLE deals RENAME TO deals_away")
        try:
            yield
        finally:
            db.execute("ALTER TABLE deals_away RENAME TO deals")


@pytest.mark.check("errors.unexpected", severity="critical", source="CWE-209; CWE-489", subject="GET {path}")
@pytest.mark.parametrize(
    ("path", "accept", "role"),
    [
        ("/api/deals?limit=7", "application/json", None),
        ("/?q=seven", "text/html", None),
        # not cached, so the framework's own answer is what comes
        ("/api/me/alerts", "application/json", "user"),
    ],
)
@pytest.mark.usefixtures("without_deals")
def test_an_unexpected_error_tells_nothing(rig, path, accept, role):
    answer = rig.client(role=role).exchange("GET", path, headers={"Accept": accept})
    assert answer.status == 500
    assert find_leaks(answer.text, ERRORS) == ()
    assert "deals_away" not in answer.text
    assert answer.header("X-Content-Type-Options") == "nosniff"
    found = answer.header("X-Request-ID")
    assert found
    # the answer goes out first
    eventually(lambda: found in rig.logs(rig.instances[0]), f"the log names request {found}", seconds=30)
