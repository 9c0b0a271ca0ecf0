"""A walk along the links of a service."""

from __future__ import annotations

from typing import Any

from harness.probes.exchange import Exchange
from harness.probes.site import walk_site


def shop(pages: dict[str, str], error: str) -> Any:
    """Answers with these pages, and with an error page at any other path."""

    def ask(_method: str, path: str, **_: Any) -> Exchange:
        body = pages.get(path, error).encode()
        return Exchange(
            method="GET",
            url=f"http://127.0.0.1{path}",
            status=200 if path in pages else 404,
            headers=(("Content-Type", "text/html"),),
            body=body,
            size=len(body),
            elapsed_s=0.0,
        )

    return ask


def test_a_link_of_a_page_that_leads_nowhere_is_dead() -> None:
    site = walk_site(shop({"/": "<a href=gone>gone</a> <a href=/b>b</a>", "/b": "b"}, "none"), "http://127.0.0.1", [])
    assert [(one.path, one.found_on) for one in site.dead] == [("/gone", "/")]


def test_links_of_an_error_page_are_followed_and_not_blamed() -> None:
    """It is shown at any path, and what is relative on it leads elsewhere from each."""
    site = walk_site(
        shop({"/": "hi", "/found": "x"}, "<a href=home>home</a> <a href=/found>"), "http://127.0.0.1", ["/a/b"]
    )
    assert site.dead == ()
    assert "/found" in [one.path for one in site.shown]
