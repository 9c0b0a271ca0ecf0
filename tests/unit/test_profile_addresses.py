"""Addresses in a profile that nothing could ask for, or that no browser would send."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_target
from harness.errors import ConfigError
from harness.model import Target

PROFILE = 'schema = 1\nname = "shop"\n[service]\nurl = {url}\n{more}\n'


def load(folder: Path, url: str = '"http://h"', more: str = "") -> Target:
    (folder / "p.toml").write_text(PROFILE.format(url=url, more=more), encoding="utf-8")
    return load_target(str(folder / "p.toml"), folder)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('[health]\nlive = "//elsewhere.example/live"', "a path that begins with '/'"),
        ('[health]\nlive = "/live\\n"', "a path that begins with '/'"),
        ('[pages]\npaths = ["/", "/a\\u0000b"]', "a path that begins with '/'"),
        ('[cors]\norigins = ["https://a.example:443"]', "browsers send 'https://a.example'"),
        ('[cors]\norigins = ["HTTP://A.example:80"]', "browsers send 'http://a.example'"),
    ],
)
def test_an_odd_path_or_origin_is_refused(tmp_path: Path, more: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, more=more)


@pytest.mark.parametrize("url", ['"http://h?a=1"', '"http://h/#a"', '"http://h /"', '"http://h\\n"'])
def test_an_odd_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="http://HOST:PORT or https://HOST was expected"):
        load(tmp_path, url)


@pytest.mark.parametrize("more", ['[health]\nlive = "/live?deep=1"', '[cors]\norigins = ["http://a.example:8080"]', ""])
def test_usual_ones_are_taken(tmp_path: Path, more: str) -> None:
    assert load(tmp_path, '"http://127.0.0.1:80/shop/"', more).service.url.startswith("http://127.0.0.1")
