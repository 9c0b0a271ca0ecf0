"""No pattern that meets a target's text takes more than linear time, whatever the text repeats."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator

import pytest

from harness.machine.redaction import Redactor
from harness.preflight.checks.templates import _collisions
from harness.preflight.markup import as_rendered, has_tags, inline_scripts
from harness.probes.headers import parse_media_type, split_list
from harness.probes.leaks import find_leaks
from tests.growth import grows_faster_than_its_text

PACKAGES = ("machine", "model", "report", "probes", "preflight", "profile_draft", "pytest_plugin", "prove", "cli")
PACKAGES += ("runner", "watch", "backup", "rollback")
"""Where text of a target, of its answers or of its sources is read."""
# fmt: off
UNITS = (
    "a", "a.", "aA1", "-", "_", " ", "\n", "\t", "=", ":", ";", ",", '"', "'", "\\", "/", "//", "@", "%", "1", "1.",
    "eyJ", "eyJ-", "eyJaaaaa.", "://", "a://", "://a:", "a:b@", "authorization", "authorization ", "authorization:",
    "cookie", "cookie:", "cookie: a", "cookie =", "set-cookie,", "bearer ", '"password"', '"password" :', "password=",
    '\\"token\\":', "'pwd':'", 'a="', "a=b;", 'a="\\', "; a", "<", "<!--", "<script", "<script ", "<script>", "type=",
    "type =", "{#", "{{", "{{!--", "{%", "{% raw %}", "{{{", "{{{{a}}}}", "<%", "}}", "`", "${", "/*", "*/", "\x1b[",
    "\x1b]", "\x1b[1;", "url(", "@import ", "gtag ", "*://", "'nonce-", "'sha256-", "{a", "$", "level=", "1:", "a[",
    "Warning: ", "log-", "é",
)
# fmt: on

ENDS = ("\0", '">=')
WHOLE_ALONE = frozenset(
    {
        "probes.browser_console._FORM",
        "probes.csp._ANY_HOST",
        "model.migrations._FILE",
        "prove.wire.json_paths._STEP",
    }
)
"""Only ever held against a whole text, or against one place of it."""
NEEDS_ENDS = frozenset({"preflight.markup._PART", "preflight.markup._TAG", "preflight.unclosed._RAW"}) | {
    f"preflight.checks.templates.{name}" for name in ("_RAW", "_TAGS")
}
"""Are given texts without what nothing closes; what uses them is held instead."""


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for package in PACKAGES:
        found = importlib.import_module(f"harness.{package}")
        for info in pkgutil.walk_packages(found.__path__, f"{found.__name__}."):
            if ".programs." in info.name:
                # a program for the target's own Python, over the target's own templates
                continue
            for name, value in vars(importlib.import_module(info.name)).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    yield f"{info.name.removeprefix('harness.')}.{name}", value


ALL = dict(sorted(patterns()))
STEPS: dict[str, Callable[[str], object]] = {
    "inline_scripts": lambda text: list(inline_scripts(text)),
    "has_tags": has_tags,
    "as_rendered": as_rendered,
    "collisions of a page": lambda text: list(_collisions(text, script=False, engine="jinja2")),
    "collisions of a script": lambda text: list(_collisions(text, script=True, engine="jinja2")),
    "split_list": lambda text: split_list([text]),
    "parse_media_type": parse_media_type,
    "find_leaks": find_leaks,
}


def slow(step: Callable[[str], object]) -> list[tuple[str, str]]:
    """What the step takes more than linear time over."""
    return [
        (unit, end)
        for unit in UNITS
        for end in ENDS
        if grows_faster_than_its_text(step, lambda n, unit=unit, end=end: unit * (n // len(unit)) + end)
    ]


@pytest.mark.parametrize("name", [name for name in ALL if name not in NEEDS_ENDS])
def test_a_pattern_takes_linear_time(name):
    assert slow(ALL[name].fullmatch) == []
    if name not in WHOLE_ALONE:
        assert slow(ALL[name].findall) == []


@pytest.mark.parametrize("name", STEPS)
def test_a_step_over_sources_and_headers_takes_linear_time(name):
    assert slow(STEPS[name]) == []


def test_exceptions_are_patterns():
    assert set(ALL) >= WHOLE_ALONE | (NEEDS_ENDS - {"preflight.unclosed._RAW"})


@pytest.mark.parametrize("end", [" token ://", " cookie pass", "=1 ://", "\neyJ secret authorization"])
@pytest.mark.parametrize("unit", UNITS)
def test_redaction_takes_linear_time(unit, end):
    redact = Redactor()
    redact.learn(["hunter2hunter2", "***" + "a.", unit * 20])
    assert not grows_faster_than_its_text(redact, lambda n: unit * (n // len(unit)) + end)
