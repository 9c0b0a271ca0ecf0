"""`harness init`: a draft for services of every kind, from a few reads, and a gate that runs with it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config import load_target
from harness.model import PageLogin, RateLimit
from harness.probes.acts import ACTS
from harness.profile_draft import DraftReader, draft_profile
from harness.profile_draft.draft import name_of
from harness.profile_draft.reader import MOST_REQUESTS
from tests.strangers import HTML, JSON, NOTHING, TEXT, Reply, Stranger, drafted, serving


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, Any], Reply]], Stranger]]:
    with serving() as start:
        yield start


def slowly(path: str, headers: Any) -> Reply:  # noqa: ARG001 - a reply's arguments
    time.sleep(0.05)
    return 200, HTML, "<title>slow</title>"


HOSTILE = (
    '<a href="/a&quot;]&#10;[evil]">x</a><a href="/t\U0001f600">x</a><a href="/\x7f">x</a><a href="http://[">x</a>'
    '<form><input name="a&quot;b"><input id="p" type=password></form><![if>'
)
KINDS: dict[str, Callable[[str, Any], Reply]] = {
    "empty": lambda _path, _headers: NOTHING,
    "HTML to everything": lambda _path, _headers: (200, HTML, "<title>x</title>"),
    "JSON to everything": lambda _path, _headers: (200, JSON, '{"status": "up", "id": 1, "openapi": 3}'),
    "an error to everything": lambda _path, _headers: (500, JSON, "{"),
    "slow": slowly,
    "redirects elsewhere": lambda path, _headers: (302, {"Location": "https://elsewhere.example" + path}, ""),
    "redirects for ever": lambda path, _headers: (307, {"Location": path + "x"}, ""),
    "redirects to itself": lambda path, _headers: (301, {"Location": path}, ""),
    "hostile": lambda _path, _headers: (200, {**HTML, "X-RateLimit-Limit": "9" * 400, "X-Cache": "\x85"}, HOSTILE),
    "a limit that is used up": lambda _path, _headers: (
        429,
        {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3600"},
        "",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_of_any_service_is_a_profile_from_few_reads(kind: str, serve: Any, tmp_path: Path) -> None:
    stranger = serve(KINDS[kind])
    target, text = drafted(stranger.url, tmp_path)
    assert target.service.url == stranger.url
    assert 1 <= len(stranger.asked) <= MOST_REQUESTS
    assert {method for method, _ in stranger.asked} == {"GET"}
    assert f"from {len(stranger.asked)} reads" in text
    assert (target.health.live, target.build.path, target.openapi.path, target.auth.login) == ("", "", "", "")
    # what was not found stands there to be taken over, and would be a profile too
    taken = re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)
    assert taken != text
    (tmp_path / "taken.toml").write_text(taken, encoding="utf-8")
    assert load_target(str(tmp_path / "taken.toml"), tmp_path).absent == {"mail": "sends none"}


SHOP_FRONT = (
    '<a href="/things/1">1</a><a href="/things/2">2</a><a href="/mine">mine</a><a href="/logout">bye</a>'
    '<a href="/file.pdf">file</a><a href="https://elsewhere.example/">elsewhere</a>'
)
SHOP = {
    "/": (200, {**HTML, "Set-Cookie": "sid=1"}, SHOP_FRONT),
    "/things/1": (200, HTML, "<title>thing</title>"),
    "/mine": (303, {"Location": "/enter"}, ""),
    "/enter": (200, HTML, '<form><input id="name"><input id="word" type="password"></form>'),
    "/healthz": (200, TEXT, "ok"),
    "/readyz": (503, JSON, '{"status": "starting"}'),
    "/version": (200, TEXT, "1.2.3\n"),
}


def test_what_answers_is_found_and_what_may_act_is_not_asked(serve: Any, tmp_path: Path) -> None:
    stranger = serve(lambda path, _headers: SHOP.get(path, NOTHING))
    target, text = drafted(stranger.url, tmp_path)
    assert (target.health.live, target.health.ready, target.build.path) == ("/healthz", "", "/version")
    assert "GET /readyz answered 503" in text
    assert target.pages.paths == ("/", "/things/1", "/enter")
    assert target.pages.login == PageLogin(path="/enter", username="#name", password="#word")
    assert "Behind a login: /mine." in text
    assert not {"/logout", "/things/2", "/file.pdf"} & set(stranger.paths)
    assert stranger.cookies == []


def test_a_description_is_believed_where_answers_bear_it_out(serve: Any, tmp_path: Path) -> None:
    """Its server's path stands before its paths, what streams or may act is not asked, and `/` is a page too."""
    plain = {"get": {"responses": {"200": {"description": "x"}}}}
    stream = {"get": {"responses": {"200": {"description": "x", "content": {"text/event-stream": {}}}}}}
    fields = {"login": {"type": "string"}, "password": {"type": "string"}}
    body = {"content": {"application/json": {"schema": {"properties": fields}}}}
    document = {
        "openapi": "3.0.3",
        "servers": [{"url": "https://public.example/v2/"}],
        "paths": {
            "/items": plain,
            "/gone": plain,
            "/events": stream,
            "/export": plain,
            "/items/{id}": plain,
            "no-slash": plain,
            '/quote"\u2028]': plain,
            "/signin": {"post": {"requestBody": body, "responses": {}}},
        },
    }
    known = {"/v2/items": (200, JSON, "[]"), "/api-doc": (200, JSON, json.dumps(document)), "/": (200, HTML, "")}
    link = {"Link": '</x>; rel=next, </api-doc>; rel="service-desc"'}
    stranger = serve(lambda path, _headers: (200, HTML | link, "") if path == "/" else known.get(path, NOTHING))
    target, text = drafted(stranger.url, tmp_path)
    assert target.openapi.path == "/api-doc"
    assert dict(target.load.paths) == {"/v2/items": 1, "/": 1}
    assert (target.auth.login, dict(target.auth.body)) == (
        "/v2/signin",
        {"login": "{username}", "password": "{password}"},
    )
    assert "the description does not say where the token is" in text
    assert "/v2/gone" in stranger.paths
    assert not {"/v2/events", "/v2/export", "/v2/items/{id}"} & set(stranger.paths)


@pytest.mark.parametrize(
    ("document", "openapi", "said"),
    [
        ('{"openapi": "3.1.0", "paths": {"/": {"get": {}}}}', "/openapi.json", "with OpenAPI 3.1.0, 1 operations"),
        ('{"openapi": "3.1.0", "x": "' + "x" * 300_000 + '"}', "/openapi.json", "too long to be looked into"),
        ('{"swagger": "2.0", "paths": {}}', "/openapi.json", "with Swagger 2.0, 0 operations"),
        ('{"swagger": "1.2", "paths": {}}', "", "which the harness cannot read"),
        ('{"openapi": "3.1.0", "paths": {"/x": {"$ref": "#/nowhere"}}}', "/openapi.json", "and 1 that cannot be read"),
        ('{"openapi": "3.1.0", "paths": []}', "", "an object was expected"),
        ("[" * 100_000, "", "No OpenAPI document was found"),
    ],
)
def test_a_description_that_cannot_be_read_is_said_to_be_one(
    document: str, openapi: str, said: str, serve: Any, tmp_path: Path
) -> None:
    known = {"/openapi.json": (200, JSON, document), "/": (200, HTML, "<title>x</title>")}
    target, text = drafted(serve(lambda path, _headers: known.get(path, NOTHING)).url, tmp_path)
    assert target.openapi.path == openapi
    assert said in text


@pytest.mark.parametrize("way", ["x-forwarded-for", "source", "none", "never counts"])
def test_a_limit_and_whom_it_counts_are_found(way: str, serve: Any, tmp_path: Path) -> None:
    counted: dict[str, int] = {}

    def reply(path: str, headers: Any) -> Reply:
        header = "X-Forwarded-For" if way == "x-forwarded-for" else "peer"
        client = "all" if way == "none" else headers.get(header, "me")
        counted[client] = counted.get(client, 0) + 1
        told = 600 - counted[client] if way != "never counts" else 600
        left = {"RateLimit-Policy": '"x";q=600;w=60', "RateLimit": f'"x";r={told};t=60'}
        return (200, HTML | left, "<title>x</title>") if path == "/" else (404, left, "")

    target, _ = drafted(serve(reply).url, tmp_path)
    assert target.ratelimit == RateLimit(limit=600, window_s=60.0, path="/")
    told_apart = way in ("x-forwarded-for", "source")
    assert target.clients.address == (way if told_apart else "none")
    assert target.load.rate == (50.0 if told_apart else 5.0)


def test_an_answer_that_comes_from_a_cache_is_found_by_its_second(serve: Any, tmp_path: Path) -> None:
    seen: set[str] = set()

    def reply(path: str, headers: Any) -> Reply:  # noqa: ARG001 - a reply's arguments
        known = path in ("/", "/fresh")
        told = "HIT" if path == "/" and path in seen else "MISS"
        seen.add(path)
        return (200, HTML | {"CF-Cache-Status": told}, '<a href="/fresh">x</a>') if known else NOTHING

    target, _ = drafted(serve(reply).url, tmp_path)
    assert (target.cache.paths, target.cache.header) == (("/",), "CF-Cache-Status")


def counting(left: Iterator[int], reset: str = "") -> Callable[[str, Any], Reply]:
    """A service that announces a limit of 100, and of it as many as `left` says."""

    def reply(path: str, headers: Any) -> Reply:  # noqa: ARG001 - a reply's arguments
        told = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": str(next(left))}
        return 404, told | ({"X-RateLimit-Reset": reset} if reset else {}), ""

    return reply


def test_of_an_announced_limit_a_fifth_is_left_and_the_next_window_waited_for(serve: Any) -> None:
    stranger = serve(counting(iter([22, 21, 20, *range(99, 0, -1)]), reset="7"))
    slept: list[float] = []
    with DraftReader(stranger.url, sleep=slept.append) as reader:
        draft_profile(reader, "limited")
    assert slept == [7]
    assert len(stranger.asked) > 10
    assert reader.stopped == ""


def test_where_no_time_is_left_to_wait_the_draft_says_what_was_not_looked_for(serve: Any) -> None:
    stranger = serve(counting(iter(range(22, 0, -1)), reset="7"))
    slept: list[float] = []
    with DraftReader(stranger.url, total_s=5, sleep=slept.append) as reader:
        draft = draft_profile(reader, "limited")
    assert (len(stranger.asked), slept) == (3, [])
    assert draft.remarks[-1].startswith("Not everything was looked for: the service's rate limit was nearly used up")


def test_requests_are_counted(serve: Any) -> None:
    stranger = serve(KINDS["empty"])
    with DraftReader(stranger.url) as reader:
        while reader.ask(reader.unknown_path()) is not None:
            assert len(stranger.asked) <= MOST_REQUESTS
    assert (len(stranger.asked), reader.stopped) == (MOST_REQUESTS, f"{MOST_REQUESTS} requests were sent")


def test_time_for_looking_ends(serve: Any) -> None:
    with DraftReader(serve(slowly).url, total_s=0.2) as reader:
        draft = draft_profile(reader, "slow")
    assert reader.count < 20
    assert "the time for looking was over" in draft.toml


USUAL_HEALTH = {
    "/-/healthy": (TEXT, "Server is Healthy."),
    "/__heartbeat__": (JSON, '{"database": true}'),
    "/healthz": (TEXT, "ok"),
    "/actuator/health": (JSON, '{"status": "UP"}'),
    "/-/ping": (JSON, "{}"),
}


@pytest.mark.parametrize("place", USUAL_HEALTH)
def test_health_is_found_where_services_of_its_kind_have_it(place: str, serve: Any, tmp_path: Path) -> None:
    kind, body = USUAL_HEALTH[place]
    target, _ = drafted(serve(lambda path, _: (200, kind, body) if path == place else NOTHING).url, tmp_path)
    assert target.health.live == place


def described(schemes: dict[str, Any], answer: dict[str, Any], media: str = "application/json") -> str:
    fields = {"username": {"type": "string"}, "password": {"type": "string"}}
    login = {
        "requestBody": {"content": {media: {"schema": {"type": "object", "properties": fields}}}},
        "responses": {"200": {"description": "x", "content": {"application/json": {"schema": answer}}}},
    }
    paths = {"/auth/login": {"post": login}} if answer else {}
    info = {"title": "Our Shop: the API", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": info, "paths": paths, "components": {"securitySchemes": schemes}})


def members(**found: Any) -> dict[str, Any]:
    return {"type": "object", "properties": found}


TEXTUAL = {"type": "string"}
LOGINS: dict[str, tuple[str, dict[str, Any]]] = {
    "a token of another name": (described({}, members(auth_token=TEXTUAL)), {"kind": "bearer", "token": "auth_token"}),
    "a token inside": (described({}, members(data=members(token=TEXTUAL))), {"token": "data.token"}),
    "a token deep inside": (
        described({}, members(result=members(session=members(jwt=TEXTUAL)))),
        {"token": "result.session.jwt"},
    ),
    "not the one that refreshes": (
        described({}, members(refresh_token=TEXTUAL, bearer_token=TEXTUAL)),
        {"token": "bearer_token"},
    ),
    "a form": (
        described({}, members(access_token=TEXTUAL), "application/x-www-form-urlencoded"),
        {"form": True, "login": "/auth/login", "token": "access_token"},
    ),
    "a session": (
        described({"c": {"type": "apiKey", "in": "cookie", "name": "sid"}}, members(ok=TEXTUAL)),
        {"kind": "cookie", "login": "/auth/login"},
    ),
    "Basic": (described({"b": {"type": "http", "scheme": "basic"}}, {}), {"kind": "basic", "login": ""}),
    "a key": (
        described({"k": {"type": "apiKey", "in": "header", "name": "X-Token"}}, {}),
        {"kind": "key", "header": "X-Token"},
    ),
}


@pytest.mark.parametrize("kind", LOGINS)
def test_the_shape_of_a_login_is_read_from_the_description(kind: str, serve: Any, tmp_path: Path) -> None:
    document, expected = LOGINS[kind]
    stranger = serve(lambda path, _: (200, JSON, document) if path == "/openapi.json" else NOTHING)
    target, text = drafted(stranger.url, tmp_path)
    assert {name: getattr(target.auth, name) for name in expected} == expected
    assert "Would prove most: [auth.roles.user]" in text
    assert {method for method, _ in stranger.asked} == {"GET"}


def test_a_service_that_asks_for_basic_is_drafted_as_one(serve: Any, tmp_path: Path) -> None:
    stranger = serve(lambda _path, _headers: (401, {**JSON, "WWW-Authenticate": 'Basic realm="x"'}, "{}"))
    target, _ = drafted(stranger.url, tmp_path)
    assert (target.auth.kind, target.auth.login) == ("basic", "")


def test_a_form_that_goes_to_its_own_page_is_a_session(serve: Any, tmp_path: Path) -> None:
    form = '<form method="post"><input name="who"><input type="password" name="word"></form>'
    stranger = serve(lambda path, _: (200, HTML, form) if path in ("/", "/login") else NOTHING)
    target, _ = drafted(stranger.url, tmp_path)
    assert (target.auth.kind, target.auth.login, target.auth.form) == ("cookie", "/", True)
    assert dict(target.auth.body) == {"who": "{username}", "word": "{password}"}


def test_a_page_that_is_one_to_browsers_alone_is_found(serve: Any, tmp_path: Path) -> None:
    def reply(path: str, headers: Any) -> Reply:
        if path != "/":
            return NOTHING
        return (200, HTML, "<title>x</title>") if "text/html" in headers["Accept"] else (200, JSON, "{}")

    target, _ = drafted(serve(reply).url, tmp_path)
    assert target.pages.paths == ("/",)


ACTING = ["/createdb", "/db/reset", "/logout", "/users/delete/1", "/deleteAll", "/api/run", "/shutdown", "/cart/add"]
READING = ["/creators", "/runs", "/address", "/started", "/settings", "/additions", "/likes", "/droplets", "/important"]


@pytest.mark.parametrize(("path", "acts"), [*((path, True) for path in ACTING), *((path, False) for path in READING)])
def test_a_read_that_may_act_is_known_by_its_name(path: str, acts: bool) -> None:  # noqa: FBT001 - a parameter
    assert bool(ACTS.search(path)) is acts


@pytest.mark.parametrize(
    ("titles", "name"),
    [
        (("Our Shop: the API", "Home"), "our-shop"),
        (("", "Kiosk | Home"), "kiosk"),
        (("", "Login"), "127.0.0.1-8000"),
        (("DealRadar", ""), "dealradar-draft"),
        (("\u5e97", ""), "127.0.0.1-8000"),
    ],
)
def test_a_draft_is_called_as_the_service_calls_itself(titles: tuple[str, str], name: str) -> None:
    assert name_of("http://127.0.0.1:8000", *titles) == name


def test_of_many_pages_the_first_are_drafted_and_the_others_named(serve: Any, tmp_path: Path) -> None:
    names = [f"/page-{letter}" for letter in "abcdefghijklmn"]
    front = "<title>Kettles</title>" + "".join(f'<a href="{name}">x</a>' for name in names)
    pages = dict.fromkeys(names, "<title>x</title>") | {"/": front}
    stranger = serve(lambda path, _: (200, HTML, pages[path]) if path in pages else NOTHING)
    target, text = drafted(stranger.url, tmp_path)
    assert target.pages.paths == ("/", *names[:9])
    assert f"# Pages as well, each of which takes a browser some seconds: {', '.join(names[9:])}" in text


def test_data_that_the_front_page_links_to_is_an_api(serve: Any, tmp_path: Path) -> None:
    front = '<title>Kettles</title><a href="/items">items</a><a href="/about">about</a><a href="/logout">out</a>'
    replies = {"/": (200, HTML, front), "/items": (200, JSON, "[]"), "/about": (200, HTML, "<p>x")}
    stranger = serve(lambda path, _: replies.get(path, NOTHING))
    target, _ = drafted(stranger.url, tmp_path)
    assert (target.api.paths, target.pages.paths) == (("/items",), ("/", "/about"))
    assert "/logout" not in stranger.paths


@pytest.mark.parametrize("place", ["/login", "/accounts/login/", "/admin/"])
def test_a_form_to_log_in_is_found_where_frameworks_have_it(place: str, serve: Any, tmp_path: Path) -> None:
    form = '<form method="post"><input name="who"><input type="password" name="word"></form>'
    replies = {"/": (200, HTML, "<title>Kettles</title>"), place: (200, HTML, form)}
    target, _ = drafted(serve(lambda path, _: replies.get(path, NOTHING)).url, tmp_path)
    assert (target.auth.kind, target.auth.login, target.pages.login.path) == ("cookie", place, place)


@pytest.mark.parametrize(
    ("body", "is_health"), [("OK", True), ("<html><body>OK</body></html>", False), ("<p>up</p>", False)]
)
def test_a_word_that_is_called_html_is_health_and_a_page_is_not(
    body: str, serve: Any, tmp_path: Path, *, is_health: bool
) -> None:
    replies = {"/": (200, HTML, "<title>Kettles</title>"), "/healthcheck": (200, HTML, body)}
    target, _ = drafted(serve(lambda path, _: replies.get(path, NOTHING)).url, tmp_path)
    assert target.health.live == ("/healthcheck" if is_health else "")


def test_a_described_path_that_is_called_health_is_it(serve: Any, tmp_path: Path) -> None:
    answers = {"responses": {"200": {"description": "x"}}}
    paths = {"/api/4/status": {"get": answers}, "/api/4/cpu": {"get": answers}}
    document = json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths})
    replies = {"/openapi.json": (200, JSON, document), "/api/4/status": (200, JSON, "{}")}
    target, _ = drafted(serve(lambda path, _: replies.get(path, NOTHING)).url, tmp_path)
    assert target.health.live == "/api/4/status"
