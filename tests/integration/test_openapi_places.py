"""Where an API's description is looked for: `init` and a bare URL go by one list, in one order."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config import generic_target, load_target
from harness.probes.openapi_places import OPENAPI_PLACES, local_path, openapi_places
from harness.probes.surface import find_description, find_surface
from harness.profile_draft import DraftReader
from harness.profile_draft.description import find_description as find_for_a_draft
from tests.strangers import HTML, JSON, NOTHING, serving

DOCUMENT = json.dumps({"openapi": "3.1.0", "info": {}, "paths": {"/things": {"get": {}}}})
PAGE = '<link rel="service-desc" href="/described"><title>x</title>'


@pytest.fixture
def serve() -> Iterator[Any]:
    with serving() as start:
        yield start


def places_of(url: str) -> tuple[str, str]:
    """Where a bare URL's surface and a draft find the description."""
    with DraftReader(url) as reader:
        drafted = find_for_a_draft(reader, reader.front()).path
    assert (find_description(generic_target(url), url) is not None) == bool(drafted)
    return find_surface(generic_target(url), url).openapi, drafted


@pytest.mark.parametrize("place", OPENAPI_PLACES)
def test_both_look_at_every_usual_place(place: str, serve: Any) -> None:
    known = {place: (200, JSON, DOCUMENT), "/": (200, HTML, "<title>x</title>")}
    assert places_of(serve(lambda path, _headers: known.get(path, NOTHING)).url) == (place, place)


@pytest.mark.parametrize(
    "front",
    [(200, HTML, PAGE), (200, JSON | {"Link": '</described>; rel="service-desc"'}, "{}")],
    ids=["page", "header"],
)
def test_both_follow_the_front_pages_link_first(front: Any, serve: Any) -> None:
    known = {"/described": (200, JSON, DOCUMENT), "/openapi.json": (200, JSON, DOCUMENT), "/": front}
    stranger = serve(lambda path, _headers: known.get(path, NOTHING))
    assert places_of(stranger.url) == ("/described", "/described")
    assert "/openapi.json" not in stranger.paths


def test_a_bare_url_asks_for_its_front_page_once(serve: Any) -> None:
    stranger = serve(lambda path, _headers: (200, HTML, PAGE) if path == "/" else NOTHING)
    assert find_surface(generic_target(stranger.url), stranger.url).pages == ("/",)
    assert stranger.paths.count("/") == 1


def test_what_the_profile_names_is_the_only_place(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        'schema = 1\nname = "t"\n[service]\nurl = "http://x"\n[openapi]\npath = "/mine"\n[pages]\npaths = ["/"]\n'
    )
    target = load_target(str(tmp_path / "p.toml"), tmp_path)
    stranger = serve(lambda path, _headers: (200, JSON, DOCUMENT) if path == "/mine" else NOTHING)
    assert find_surface(target, stranger.url).openapi == "/mine"
    assert not set(stranger.paths) & set(OPENAPI_PLACES)


def test_links_come_first_and_three_at_most() -> None:
    links = [f'</{number}>; rel="describedby"' for number in range(5)]
    assert openapi_places("http://h", links, PAGE) == ("/0", "/1", "/2", *OPENAPI_PLACES)
    assert openapi_places("http://h", ["</openapi.json>; rel=service-desc"], "")[0] == "/openapi.json"
    assert openapi_places("http://h", ["<http://other/x>; rel=service-desc", "</y>; rel=next"], "") == OPENAPI_PLACES


@pytest.mark.parametrize(
    ("url", "reference", "path"),
    [
        ("http://h/api", "/api/x?a=1", "/x?a=1"),
        ("http://h/api", "/other", None),
        ("http://h/api", "/apiary", None),
        ("http://h", "//h/x", "/x"),
        ("http://h", "https://h/x", None),
        ("http://h", "http://[", None),
        ("http://h", "", "/"),
        ("http://h", " /a b?c d ", "/a%20b?c%20d"),
    ],
)
def test_a_reference_stays_below_the_services_address(url: str, reference: str, path: str | None) -> None:
    assert local_path(url, reference) == path
