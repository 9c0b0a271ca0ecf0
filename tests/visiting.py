"""Pages of ours in a real browser: what each asked for or complained of, and whether people can read it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import sync_playwright

from harness.probes.chromium import find_chromium

CONTRAST = """() => {
  const parse = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return { rgb: found.slice(0, 3).map((v) => v * scale), alpha: found.length > 3 ? found[3] : 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const colour = parse(getComputedStyle(up).backgroundColor);
      if (colour.alpha > 0.99) { return colour.rgb; }
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  let seen = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const box = node.getBoundingClientRect();
    const hidden = box.width < 2 || ["STYLE", "SCRIPT", "title"].includes(node.tagName);
    if (hidden || !walker.currentNode.data.trim()) { continue; }
    const style = getComputedStyle(node);
    const ink = parse(node instanceof SVGElement ? style.fill : style.color).rgb;
    let faded = 1;
    for (let up = node; up; up = up.parentElement) { faded *= Number(getComputedStyle(up).opacity); }
    const back = ground(node);
    const mixed = ink.map((v, i) => v * faded + back[i] * (1 - faded));
    const [high, low] = [light(mixed), light(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    seen += 1;
    if (ratio < 4.5) {
      poor.push(`${ratio.toFixed(2)} ${node.tagName} ${node.getAttribute("class")}: ${node.textContent.slice(0, 40)}`);
    }
  }
  return { seen, poor: [...new Set(poor)] };
}"""
"""Texts with less contrast than WCAG 2.2, 1.4.3 asks (4.5 to 1)."""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    found = find_chromium(os.environ.get("HARNESS_CHROMIUM"))
    assert found is not None, "make setup brings a browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**found.launch_options(dict(os.environ)))
        yield browser
        browser.close()


class Visitor:
    """Opens pages, each in a context of its own; a context manager that closes them."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._contexts.close()

    def open(self, path: Path, size: tuple[int, int], *, scheme: str = "light", scripts: bool = True) -> Any:
        """The page of that file; `noise` is what it said on the console and in dialogs, and what else it asked for."""
        width, height = size
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts
        )
        self._contexts.callback(context.close)
        page = context.new_page()
        page.noise = []
        page.on("console", lambda message: page.noise.append(message.text))
        page.on("pageerror", lambda error: page.noise.append(str(error)))
        page.on("dialog", lambda dialog: page.noise.append(dialog.message))
        page.on(
            "request", lambda request: page.noise.append(request.url) if not request.is_navigation_request() else None
        )
        page.goto(path.as_uri())
        return page
