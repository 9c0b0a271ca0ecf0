"""The bounds of what a probe asks, and which answers let it go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.probes.api.accounts import let_in
from harness.probes.api.request import NOBODY, ApiClient, Hole, OutOfTime, lazily, leads_on
from harness.probes.exchange import Exchange


def answer(
    status: int, location: str = "", kind: str = "application/x-www-form-urlencoded", page: str = ""
) -> Exchange:
    headers = [("Location", location)] if location else []
    return Exchange(
        method="POST",
        url="http://127.0.0.1/enter",
        request_headers=(("Content-Type", kind), ("Cookie", "sid=before; lang=de")) if kind else (),
        status=status,
        headers=(*headers, ("Content-Type", "text/html"), ("Set-Cookie", "greeting=hello")),
        body=page.encode(),
        size=len(page),
        elapsed_s=0.1,
    )


def never() -> Any:
    raise AssertionError("nothing may be sent any more")


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.ask(NOBODY, "GET", "/"),
        lambda client: client.ask_as_one("GET", "/"),
        lambda client: client.at_once(NOBODY, "POST", "/", 8),
    ],
)
@pytest.mark.parametrize(("seconds", "most"), [(-1.0, 10), (60.0, 0)])
def test_nothing_is_asked_beyond_the_time_or_the_number(ask: Callable[[ApiClient], object], seconds: float, most: int):
    with pytest.raises(OutOfTime, match="ended after 0 requests"):
        ask(ApiClient(never, seconds=seconds, most=most))


def test_a_probe_that_gives_a_list_runs_out_of_time_where_its_holes_are_asked_for():
    @lazily
    def probe() -> list[Hole]:
        raise OutOfTime(3, 1.0)

    holes = probe()
    with pytest.raises(OutOfTime):
        next(holes)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (answer(303, "/notes/5"), True),
        (answer(302, "http://127.0.0.1/notes", kind=""), True),
        (answer(302, "/login?next=/notes"), False),
        (answer(302, "/sign-in"), False),
        (answer(302, "/notes", kind="application/json"), False),
        (answer(302), False),
        (answer(200), False),
    ],
)
def test_a_form_that_leads_on_was_taken(seen, expected):
    assert leads_on(seen) is expected


def test_a_session_may_have_begun_before_the_login():
    assert let_in(answer(302, "/home"), "")[1] == {"sid": "before", "lang": "de", "greeting": "hello"}


@pytest.mark.parametrize(
    "refused",
    [
        answer(302, "/enter?wrong=1"),
        answer(200, page='<form method="post"><input name="who"><input type="password" name="word"></form>'),
        answer(401),
    ],
)
def test_a_form_that_is_shown_again_lets_nobody_in(refused):
    assert let_in(refused, "") == ({}, {})
