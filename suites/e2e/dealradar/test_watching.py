"""What an account follows and is told, and that it is its own affair."""

import pytest

from fixtures.dealradar.accounts import sign_up

LISTS = ("/api/me/watchlist", "/api/me/alerts", "/api/me/notifications")


@pytest.fixture
def me(client, learn_secret):
    """`me(method, path)`: ask as an account of this test's own."""
    account = sign_up(client, learn_secret)
    token = account.log_in()["access_token"]
    return lambda method, path, **request: account.ask(method, path, token, **request)


@pytest.mark.check("api.watchlist", severity="high")
@pytest.mark.writes
def test_a_deal_is_watched_and_no_longer(me):
    for _ in range(2):
        assert me("PUT", "/api/me/watchlist/4").status == 204
    watched = me("GET", "/api/me/watchlist").json()
    assert [item["deal_id"] for item in watched["items"]] == [4]
    assert watched["total"] == 1
    for _ in range(2):
        assert me("DELETE", "/api/me/watchlist/4").status == 204
    assert me("GET", "/api/me/watchlist").json()["items"] == []


@pytest.mark.check("api.alerts", severity="high")
@pytest.mark.writes
def test_an_alert_has_the_target_that_was_set_last(me):
    for target in (700, 500):
        assert me("PUT", "/api/me/alerts/4", json={"target_cents": target}).status == 204
    alerts = me("GET", "/api/me/alerts").json()["items"]
    assert [(alert["deal_id"], alert["target_cents"]) for alert in alerts] == [(4, 500)]
    assert me("DELETE", "/api/me/alerts/4").status == 204
    assert me("GET", "/api/me/alerts").json()["total"] == 0


@pytest.mark.check("api.watching_refused")
@pytest.mark.writes
def test_what_is_not_there_cannot_be_followed(me):
    assert me("PUT", "/api/me/watchlist/999999999").status == 404
    assert me("PUT", "/api/me/alerts/999999999", json={"target_cents": 1}).status == 404
    assert me("PUT", "/api/me/alerts/4", json={"target_cents": -1}).status == 422


@pytest.mark.check("api.preferences", severity="high")
@pytest.mark.writes
def test_preferences_are_kept(me):
    wanted = {**me("GET", "/api/me/preferences").json(), "notify_price_drop": False}
    assert me("PUT", "/api/me/preferences", json=wanted).status == 200
    assert me("GET", "/api/me/preferences").json() == wanted


@pytest.mark.check("api.watchlist_parts")
@pytest.mark.writes
def test_a_watchlist_in_parts_is_whole(me):
    for deal in range(1, 8):
        me("PUT", f"/api/me/watchlist/{deal}")
    found, cursor = [], None
    for _ in range(4):
        part = me("GET", "/api/me/watchlist", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found, cursor = found + [item["deal_id"] for item in part["items"]], part["next"]
    assert sorted(found) == list(range(1, 8))
    assert cursor is None


@pytest.mark.check("auth.own_lists", severity="critical", source="OWASP API1:2023", subject="GET {path}")
@pytest.mark.writes
@pytest.mark.parametrize("path", LISTS)
def test_nobody_sees_anothers_list(me, new_client, path):
    me("PUT", "/api/me/watchlist/4")
    me("PUT", "/api/me/alerts/4", json={"target_cents": 123})
    other = new_client(role="operator").exchange("GET", path, params={"limit": 100}).json()["items"]
    mine = me("GET", path).json()["items"]
    assert [item for item in other if item.get("target_cents") == 123] == []
    assert {item["deal_id"] for item in mine} <= {4}
    assert new_client().exchange("GET", path).status == 401


@pytest.mark.check("auth.own_changes", severity="critical", source="OWASP API1:2023", subject="DELETE {path}/4")
@pytest.mark.writes
@pytest.mark.parametrize("path", LISTS[:2])
def test_nobody_takes_from_anothers_list(me, new_client, path):
    me("PUT", "/api/me/watchlist/4")
    me("PUT", "/api/me/alerts/4", json={"target_cents": 123})
    assert new_client(role="operator").exchange("DELETE", f"{path}/4").status == 204
    assert me("GET", path).json()["total"] == 1
