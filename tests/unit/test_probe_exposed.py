"""Consoles and lists of files, by what is in them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.probes.exchange import Exchange
from harness.probes.exposed import find_consoles, find_listings


def serves(path: str, body: str, kind: str = "text/html") -> Any:
    def ask(_method: str, asked: str, **_: Any) -> Exchange:
        found = body.encode() if asked == path else b""
        return Exchange(
            method="GET",
            url=f"http://127.0.0.1{asked}",
            status=200 if found else 404,
            headers=(("Content-Type", kind),),
            body=found,
            size=len(found),
            elapsed_s=0.0,
        )

    return ask


def page(title: str, body: str = "") -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body></html>"


@pytest.mark.parametrize(
    "title",
    [
        "Redis Commander: Home",
        "SQLite Web: shop.db",
        "Workers · Flower",
        "Home - Mongo Express",
        "db | phpMyAdmin 5.2.1",
    ],
)
def test_a_console_of_administrators_is_known(title: str) -> None:
    assert [one.path for one in find_consoles(serves("/", page(title))).found] == ["/"]


@pytest.mark.parametrize("title", ["A Flower", "How we left phpMyAdmin 5 behind", "Shop", "SQL: a course"])
def test_a_page_about_one_is_none(title: str) -> None:
    assert find_consoles(serves("/", page(title))).found == ()


def test_an_open_jupyter_is_known() -> None:
    asked = serves("/api/status", '{"connections": 0, "kernels": 1, "started": "2020-01-01"}', "application/json")
    assert [one.what for one in find_consoles(asked).found] == ["Jupyter, which runs code"]
    assert find_consoles(serves("/api/status", '{"status": "ok"}', "application/json")).found == ()


@pytest.mark.parametrize(
    "listing",
    [
        page("Index of /files/"),
        page("Files - Index of /files/"),
        page("", '<h1>\n <img class="logo" src="/l.png">\n Index of /files </h1>'),
        page("Directory listing for /files/"),
    ],
)
def test_a_list_of_files_is_known(listing: str) -> None:
    assert [one.path for one in find_listings(serves("/files/", listing), ()).found] == ["/files/"]


def test_a_page_with_an_index_of_its_own_is_none() -> None:
    assert find_listings(serves("/files/", page("Index", "<h1>Index of subjects</h1>")), ()).found == ()
