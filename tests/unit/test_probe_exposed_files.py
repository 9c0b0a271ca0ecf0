"""Files that lie open: known by what they hold, and by ways that lead out of a folder."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest

from harness.probes.exchange import Exchange
from harness.probes.exposed import find_files, find_source_maps

PASSWD = b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n"


def service(*, decodes: bool):
    """Serves files below /static/ by their names, which it decodes before or after it looks where they lie."""

    def ask(method: str, path: str) -> Exchange:
        name = unquote(path) if decodes else path
        parts = PurePosixPath(name.replace("\\", "/")).parts
        left = parts[1:] if parts[:2] == ("/", "static") else ()
        out = left.count("..") >= len(parts) - 4 and left[-2:] == ("etc", "passwd") and ".." in left
        body, status = (PASSWD, 200) if out else (b"<!doctype html><p>root:x:0:0: is no file", 404)
        return Exchange(
            method=method,
            url=f"http://127.0.0.1{path}",
            status=status,
            headers=(("Content-Type", "text/plain"),),
            body=body,
            size=len(body),
            elapsed_s=0.0,
        )

    return ask


@pytest.mark.parametrize("decodes", [True, False])
def test_a_way_out_of_a_folder_is_found(decodes):
    found = find_files(service(decodes=decodes), ["/static/"]).found
    assert bool(found) is decodes
    assert all(one.what == "the machine's /etc/passwd" and one.path.startswith("/static/") for one in found)
    assert find_files(service(decodes=decodes)).found == ()


def serves(**files: str):
    """Answers with these texts at paths that end so, and with 404 elsewhere."""

    def ask(method: str, path: str) -> Exchange:
        body = next((text.encode() for name, text in files.items() if path.endswith(name.replace("_", "."))), b"")
        return Exchange(
            method=method,
            url=f"http://127.0.0.1{path}",
            status=200 if body else 404,
            headers=(("Content-Type", "application/octet-stream"),),
            body=body,
            size=len(body),
            elapsed_s=0.0,
        )

    return ask


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<?php\n$db = new PDO('mysql:host=db');", True),
        ("\n<%@ page import='java.util.*' %>", True),
        ("b0VIM 9.0", True),
        ("import os\n", True),
        ("#!/usr/bin/perl\n", True),
        ("<!doctype html><p>Nothing is here", False),
        ("page not found", False),
    ],
)
def test_a_copy_of_a_program_is_known_by_its_text(text, shown):
    found = find_files(serves(index_php_bak=text, item_php_bak=text), paths=["/shop/item.php?id=1", "/style.css"]).found
    assert [one.path for one in found] == (["/index.php.bak", "/shop/item.php.bak"] if shown else [])


def test_a_source_map_lies_beside_its_script():
    made = '{"version": 3, "sources": ["a.ts"], "mappings": "AAAA"}'
    scripts = ["/app.js?v=3", "/app.js", "/style.css"]
    assert [one.path for one in find_source_maps(serves(js_map=made), scripts).found] == ["/app.js.map"]
    assert find_source_maps(serves(js_map="<!doctype html><title>mappings"), scripts).found == ()
