"""Finding a Chromium, and starting it with nothing switched off that a test wants to see."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from harness.errors import UsageError
from harness.probes import chromium
from harness.probes.chromium import Places, find_chromium

_HIDES_WHAT_IS_TESTED = ("--disable-web-security", "--single-process", "--disable-site-isolation-trials")


def _program(path: Path, *, says: str = "Chromium 1.2.3", exits: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {exits}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def nowhere(tmp_path: Path) -> Places:
    """Places without a browser in any."""
    return Places(
        path=str(tmp_path / "bin"),
        applications=(),
        downloads=tmp_path / "downloads",
        packaged=tmp_path / "node" / "chromium",
    )


def _download(places: Places, revision: str) -> Path:
    assert places.downloads is not None
    return _program(places.downloads / f"chromium_headless_shell-{revision}" / "chrome-linux" / "headless_shell")


def _expected_revision() -> str:
    revision = chromium.expected_revision()
    assert revision is not None
    return revision


def test_a_page_is_rendered_and_its_error_is_seen() -> None:
    found = find_chromium()
    assert found is not None, "make setup brings a browser"
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**found.launch_options(os.environ))
        page = browser.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto("data:text/html,<title>Deals</title><h1>Deals</h1><script>console.error('no such deal')</script>")
        heading = page.get_by_role("heading").inner_text()
        width = page.get_by_role("heading").evaluate("element => element.getBoundingClientRect().width")
        browser.close()
    assert heading == "Deals"
    assert width > 0
    assert errors == ["no such deal"]


def test_order_of_places(nowhere: Places) -> None:
    assert find_chromium(places=nowhere) is None
    packaged = _program(nowhere.packaged / "chromium")
    order = [packaged, _download(nowhere, _expected_revision())]
    found = find_chromium(places=nowhere)
    assert found is not None
    assert found.executable == order[-1]
    order[-1].unlink()
    found = find_chromium(places=nowhere)
    assert found is not None
    assert found.executable == packaged


def test_an_installed_one_goes_before_downloads(nowhere: Places, tmp_path: Path) -> None:
    _download(nowhere, _expected_revision())
    installed = _program(tmp_path / "bin" / "google-chrome", says="Google Chrome 150.0")
    found = find_chromium(places=nowhere)
    assert found is not None
    assert (found.executable, found.source) == (installed, "installed")


def test_a_stub_that_only_asks_for_a_snap_is_passed_over(nowhere: Places, tmp_path: Path) -> None:
    _program(
        tmp_path / "bin" / "chromium-browser", says="Command '/usr/bin/chromium-browser' requires the snap", exits=1
    )
    assert find_chromium(places=nowhere) is None


def test_a_download_of_another_revision_is_passed_over(nowhere: Places) -> None:
    _download(nowhere, "1")
    assert find_chromium(places=nowhere) is None


def test_the_named_one_goes_first(nowhere: Places, tmp_path: Path) -> None:
    _program(tmp_path / "bin" / "chromium")
    mine = _program(tmp_path / "mine")
    found = find_chromium(str(mine), nowhere)
    assert found is not None
    assert found.executable == mine


def test_a_named_one_that_is_not_there_is_refused(nowhere: Places, tmp_path: Path) -> None:
    _program(tmp_path / "bin" / "chromium")
    with pytest.raises(UsageError, match=r"HARNESS_CHROMIUM names /no/such, which is no program here") as caught:
        find_chromium("/no/such", nowhere)
    assert caught.value.exit_code == 2


def test_the_packaged_one_gets_its_libraries_for_its_own_process_only(nowhere: Places) -> None:
    _program(nowhere.packaged / "chromium")
    found = find_chromium(places=nowhere)
    assert found is not None
    assert found.args[0] == "--headless=shell"
    options = found.launch_options({"LANG": "C.UTF-8"})
    assert options["env"] == {
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": str(nowhere.packaged / "lib"),
        "FONTCONFIG_FILE": str(nowhere.packaged / "fonts.conf"),
    }
    assert str(nowhere.packaged) not in os.environ.get("LD_LIBRARY_PATH", "")


def test_no_argument_hides_what_is_tested() -> None:
    found = find_chromium()
    assert found is not None
    assert not set(found.args) & set(_HIDES_WHAT_IS_TESTED)
    assert {"--disable-background-networking", "--disable-component-update", "--disable-quic"} <= set(found.args)
    assert ("--no-sandbox" in found.args) == (os.geteuid() == 0)
