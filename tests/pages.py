"""The project's Markdown pages, taken apart for tests that hold them to the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/*.md"))
    if path.is_file()
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, *kinds: str) -> list[str]:
    """Fenced blocks of these kinds; one without a kind is shell."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [body for kind, body in found if kind in kinds]


def rows(text: str, *, columns: int) -> list[list[str]]:
    """Rows of all tables with so many columns, without headings."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        for row in text.splitlines()
        if row.startswith("|") and not re.match(r"\|[-| ]+\|$", row)
    ]
    return [row for row in cells if len(row) == columns]


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same depth."""
    depth = heading.split(maxsplit=1)[0]
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(rf"\n{depth} ", rest)[0]
