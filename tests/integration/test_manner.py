"""How a service answers where nobody knows what there is, and what is then asked of it."""

from __future__ import annotations

import pytest

from harness.config import generic_target
from harness.probes.surface import Surface, find_surface
from tests.strangers import HTML, JSON, NOTHING, Reply, serving

FRONT = "<!doctype html><title>Shop</title><h1>Shop</h1>"
BASIC = {**JSON, "WWW-Authenticate": 'Basic realm="shop"'}
SHUT: Reply = (401, BASIC, "{}")


def surface_of(answers: dict[str, Reply], otherwise: Reply = NOTHING) -> Surface:
    with serving() as serve:
        stranger = serve(lambda path, _headers: answers.get(path, otherwise))
        return find_surface(generic_target(stranger.url), stranger.url)


def test_a_usual_service_answers_404_to_what_it_has_not() -> None:
    found = surface_of({"/": (200, HTML, FRONT)})
    assert (found.manner.hides, found.why) == (None, "")
    assert found.paths == found.pages == ("/",)


def test_a_slash_that_is_added_to_what_is_not_there_hides_nothing() -> None:
    with serving() as serve:

        def reply(path: str, _headers: object) -> Reply:
            if path == "/":
                return 200, HTML, FRONT
            return NOTHING if path.endswith("/") else (308, {"Location": f"{path}/"}, "moved")

        stranger = serve(reply)
        found = find_surface(generic_target(stranger.url), stranger.url)
    assert (found.manner.hides, found.manner.unknown) == (None, 404)


def test_an_api_without_a_front_page_shows_where_it_says_that_it_lives() -> None:
    found = surface_of({"/health": (200, JSON, "{}")})
    assert (found.paths, found.pages, found.manner.hides) == (("/health",), (), None)


def test_of_a_service_that_shows_nothing_no_path_is_made_up() -> None:
    found = surface_of({})
    assert found.paths == ()
    assert "GET / is answered 404" in found.why


def test_behind_a_login_everything_is_said_once() -> None:
    found = surface_of({}, SHUT)
    assert found.paths == ()
    assert found.why == found.manner.hides == found.manner.login_line
    assert found.why.startswith('needs a login: every path is answered 401 (Basic realm="shop"); add an account as')


def test_a_front_page_behind_a_login_is_said_where_unknown_paths_are_told() -> None:
    found = surface_of({"/": SHUT})
    assert (found.paths, found.manner.hides) == ((), None)
    assert found.why.startswith("needs a login: GET / is answered 401")


@pytest.mark.parametrize(
    ("otherwise", "said"),
    [
        (SHUT, "an unknown path is answered 401"),
        ((403, {}, "no"), "an unknown path is answered 403"),
        ((303, {"Location": "/"}, ""), "an unknown path is redirected to /"),
        ((307, {"Location": "https://login.example/"}, ""), "an unknown path is redirected to https://login.example/"),
        ((200, HTML, FRONT), "every path is answered with the front page"),
    ],
)
def test_a_service_that_hides_what_it_has_not_is_not_asked_for_404(otherwise: Reply, said: str) -> None:
    found = surface_of({"/": (200, HTML, FRONT)}, otherwise)
    assert said in str(found.manner.hides)
    assert found.paths == ("/",)


def test_one_page_is_known_although_something_in_it_is_new_each_time() -> None:
    with serving() as serve:
        asked = iter(range(10**6))
        page = FRONT + '<meta name="csrf" content="{:032x}">'
        stranger = serve(lambda _path, _headers: (200, HTML, page.format(next(asked))))
        assert find_surface(generic_target(stranger.url), stranger.url).manner.is_one_page


def test_a_page_of_its_own_with_200_for_what_is_not_there_is_no_router() -> None:
    found = surface_of({"/": (200, HTML, FRONT)}, (200, HTML, "<title>Shop</title><h1>Not found</h1>"))
    assert found.manner.hides is None


def test_the_page_that_the_front_leads_to_is_the_page() -> None:
    found = surface_of({"/": (302, {"Location": "/ui/"}, ""), "/ui/": (200, HTML, FRONT)})
    assert found.paths == found.pages == ("/ui/",)


def test_of_a_service_without_a_front_page_its_usual_page_is_shown() -> None:
    found = surface_of({"/index.html": (200, HTML, FRONT), "/healthz": (200, JSON, "{}")})
    assert (found.paths, found.pages) == (("/index.html", "/healthz"), ("/index.html",))


def test_a_front_page_that_fails_is_asked_for_beside_what_is_named() -> None:
    document = (
        '{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"responses": {}}}}}'
    )
    described = {"/openapi.json": (200, JSON, document)}
    assert surface_of({**described, "/": (500, {}, "no template")}).paths == ("/", "/a")
    assert surface_of({**described, "/": NOTHING}).paths == ("/a",)


@pytest.mark.parametrize("broken", [(500, HTML, "boom"), NOTHING, (302, {"Location": "/"}, "")])
def test_a_front_that_leads_to_nothing_is_asked_for_nonetheless(broken: Reply) -> None:
    found = surface_of({"/": (302, {"Location": "/ui/"}, ""), "/ui/": broken})
    assert (found.paths, found.pages) == (("/",), ())
