"""Words in parameters, and what is made of the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from harness.probes.exchange import Exchange
from harness.probes.injected import injection
from harness.probes.inputs import Tried, try_words
from harness.probes.site import InputPlace

SORTED = InputPlace(path="/items", values={"sort": "name", "sort_down": "name"})


def answer(path: str, status: int = 200, body: str = "x", *types: str) -> Exchange:
    return Exchange(
        method="GET",
        url=f"http://127.0.0.1{path}",
        status=status,
        headers=tuple(("Content-Type", one) for one in types or ("application/json",)),
        body=body.encode(),
        size=len(body),
        elapsed_s=0.0,
    )


def refuses_both(_method: str, path: str, **_: Any) -> Exchange:
    """Cannot sort by two members at once, and calls that an error of its own."""
    said = dict(parse_qsl(urlsplit(path).query))
    return answer(path, 500 if {"sort", "sort_down"} <= said.keys() else 200)


def breaks_on_quotes(_method: str, path: str, **_: Any) -> Exchange:
    said = dict(parse_qsl(urlsplit(path).query))
    return answer(path, 500 if '"' in said.get("sort", "") else 200)


def test_what_links_do_not_say_together_is_not_blamed_on_a_word() -> None:
    tried = try_words(refuses_both, "http://127.0.0.1", [SORTED], ["/"]).tried
    assert {one.exchange.status for one in tried} == {200}
    assert {"the parameter sort", "the parameter sort_down"} <= {one.where for one in tried}


def test_a_word_that_breaks_it_is_blamed() -> None:
    tried = try_words(breaks_on_quotes, "http://127.0.0.1", [SORTED], ["/"]).tried
    assert [one.where for one in tried if one.exchange.status == 500] == ["the parameter sort"]


def test_what_is_broken_whatever_is_asked_is_not_blamed_on_a_word() -> None:
    known = [InputPlace(path="/", values={}), InputPlace(path="/one", values={"a": "1"}), SORTED]
    tried = try_words(lambda _method, path, **_: answer(path, 500), "http://127.0.0.1", known, []).tried
    assert {one.where for one in tried} == {"the path"}


def test_what_breaks_on_an_empty_value_too_is_blamed() -> None:
    def needs_a_number(_method: str, path: str, **_: Any) -> Exchange:
        said = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
        return answer(path, 200 if said.get("id", "1").isdigit() else 500)

    tried = try_words(needs_a_number, "http://127.0.0.1", [InputPlace(path="/item", values={"id": ""})], []).tried
    assert "the parameter id" in [one.where for one in tried if one.exchange.status == 500]


def test_what_answers_slowly_is_asked_once() -> None:
    asked: list[str] = []

    def drips(_method: str, path: str, **_: Any) -> Exchange:
        asked.append(path.partition("?")[0])
        return replace(answer(path), elapsed_s=3.0 if path.startswith("/items") else 0.0)

    try_words(drips, "http://127.0.0.1", [SORTED, InputPlace(path="/quick", values={"a": "1", "b": "2"})], ["/"])
    assert asked.count("/items") == 1
    assert asked.count("/quick") > 2


@pytest.mark.parametrize(
    ("types", "before", "runs"),
    [
        (("text/html",), "<p>", True),
        (("application/json", "text/html"), "<p>", True),
        (("text/html;charset",), "<p>", True),
        (("nonsense",), "<html>", True),
        (("nonsense",), "", True),
        (("image/svg+xml",), "<svg>", True),
        (("application/json",), "<p>", False),
        (("text/html", "text/plain"), "<p>", False),
        (("nonsense",), '{"q": "', False),
    ],
)
def test_markup_runs_where_a_browser_takes_the_answer_for_a_page(
    types: tuple[str, ...], before: str, *, runs: bool
) -> None:
    exchange = answer("/?q", 200, before + injection("hz1"), *types)
    assert bool(Tried(path="/?q", where="the parameter q", mark="hz1", exchange=exchange).injected) is runs
