"""A listing of files and a page of counters are known by their form, whichever server wrote them."""

from __future__ import annotations

import pytest

from harness.probes.exchange import Exchange
from harness.probes.exposed import find_consoles, find_listings

DJANGO = "<title>Index of ./</title><h1>Index of ./</h1><ul><li><a href='map.txt'>map.txt</a></li></ul>"
NGINX = "<head><title>Index of /media/</title></head><h1>Index of /media/</h1><pre><a href='a.txt'>a.txt</a></pre>"
COUNTERS = "Active connections: 1 \nserver accepts handled requests\n 4 4 4 \n"


def answer(path: str, text: str, kind: str) -> Exchange:
    lines = (("Content-Type", kind),)
    body = text.encode()
    return Exchange(
        method="GET", url=f"http://x{path}", status=200, headers=lines, body=body, size=len(body), elapsed_s=0.0
    )


@pytest.mark.parametrize(("page", "listed"), [(DJANGO, True), (NGINX, True), ("<title>Media</title>", False)])
def test_a_folder_that_is_listed(page: str, *, listed: bool) -> None:
    found = find_listings(lambda _, path: answer(path, page if path == "/media/" else "", "text/html"), ())
    assert bool(found.found) == listed


def test_counters_of_nginx() -> None:
    found = find_consoles(lambda _, path: answer(path, COUNTERS if path == "/nginx_status" else "", "text/plain"))
    assert [each.path for each in found.found] == ["/nginx_status"]
