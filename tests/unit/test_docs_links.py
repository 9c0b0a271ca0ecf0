"""Every command of the documentation exists, and every link leads somewhere."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from harness.cli.main import COMMANDS, Commands
from tests.pages import PAGES, ROOT, blocks, read, rows, section
from tools.check_citations import anchors_of

OWN_PLACES = re.compile(r"/work/|/root/|/tmp/docs")


def shell_lines(page: Path) -> list[str]:
    """Commands in blocks of shell, without comments, continued lines joined."""
    text = "\n".join(blocks(page.read_text(encoding="utf-8"), "sh", "")).replace("\\\n", " ")
    return [line for line in text.splitlines() if re.match(r"(harness|pytest|make|python|\.venv/bin/\w+) ", line)]


def inline_lines(page: Path) -> list[str]:
    """Commands in running text."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`((?:harness|make) [^`]+)`", text)


COMMAND_LINES = [
    pytest.param(line, id=f"{page.relative_to(ROOT)}: {line[:60]}")
    for page in PAGES
    for line in dict.fromkeys([*shell_lines(page), *inline_lines(page)])
]


def wrong_with(command: str) -> str:
    """What is wrong with a command line of the documentation; "" if nothing is."""
    words = [word for word in shlex.split(command, comments=True) if word not in ("…", "\u2026")]
    program = Path(words[0]).name
    if program == "make":
        return wrong_with_make(words[1:])
    if program == "pytest":
        missing = [word for word in words[1:] if "/" in word and "…" not in word and not (ROOT / word).exists()]
        return f"no such path: {missing}" if missing else ""
    if program == "python":
        return "" if (ROOT / words[1]).is_file() else f"no such program: {words[1]}"
    return wrong_with_harness(words[1:])


def wrong_with_make(words: list[str]) -> str:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    unknown = [word for word in words if "=" not in word and word not in targets and re.match(r"[a-z]+$", word)]
    given = [word.partition("=")[2] for word in words if word.startswith("ARGS=")]
    if unknown:
        return f"no target {unknown}"
    if given and words[0] == "gate" and "…" not in given[0]:
        return wrong_with_harness(["gate", *shlex.split(given[0])])
    return ""


def wrong_with_harness(words: list[str]) -> str:
    if words[0] not in COMMANDS:
        return f"no command {words[0]!r}"
    command = Commands().get_command(click.Context(Commands()), words[0])
    assert command is not None
    known = {"--help", *(name for one in command.params for name in one.opts)}
    ours = words[: words.index("--")] if "--" in words else words
    unknown = [word for word in ours if word.startswith("-") and word.partition("=")[0] not in known]
    places = [word for word in ours if word.startswith(("examples/", "profiles/", "policies/"))]
    gone = [place for place in places if not (ROOT / place).exists()]
    return f"no option {unknown}" if unknown else f"no such file: {gone}" if gone else ""


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_every_command_in_the_documentation_exists(command):
    assert wrong_with(command) == ""


@pytest.mark.parametrize(
    "command",
    ["harness gates", "harness gate --polcy quick", "make gat", "pytest suites/e3", "python benchmarks/no.py"],
)
def test_a_command_that_does_not_exist_is_found(command):
    assert wrong_with(command) != ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        place = (page.parent / name).resolve() if name else page
        known = anchors_of(place.read_text(encoding="utf-8")) if anchor and place.is_file() else frozenset()
        if not place.exists() or ROOT not in (place, *place.parents) or (anchor and anchor not in known):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_place_of_one_machine(page):
    assert OWN_PLACES.findall(page.read_text(encoding="utf-8")) == []


def test_every_page_of_the_documentation_can_be_found_from_the_readme():
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            place = (page.parent / link).resolve()
            if place.suffix == ".md" and place.is_file():
                waiting.append(place)
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []


def test_the_floors_of_the_architecture_are_the_ones_that_import_linter_holds():
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    held = [set(re.findall(r"(?<![(\w])\w+(?![)\w])", layer)) - {"__main__"} for layer in layers]
    told = [
        set(re.findall(r"`(\w+)`", modules))
        for floor, modules, _ in rows(section(read("ARCHITECTURE.md"), "## Floors"), columns=3)
        if floor != "floor"
    ]
    assert told == [floor for floor in held if floor]
