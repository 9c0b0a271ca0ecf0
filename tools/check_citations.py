"""`make lint`: every page of `docs/` that the sources cite exists, and so does the heading that they name.

A citation is a path from the top of the repository, `docs/policy.md` or `docs/policy.md#waivers`, in any text file that
git knows. Links between pages are held by the tests of the documentation.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_CITATION = re.compile(r"(?<![\w/.-])(?P<page>docs/[\w/-]+\.md)(?:#(?P<anchor>[\w-]+))?")
_ELSEWHERE = re.compile(r"\bDESIGN [0-9]")
_NOT_CITING = ("CHANGELOG.md", "tests/unit/test_citations.py", "tools/check_citations.py")


def anchors_of(page: str) -> frozenset[str]:
    """Anchors of a page's headings, as GitHub makes them; a heading inside a block of code is none."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def faults_of(text: str, root: Path) -> Iterator[str]:
    """Citations in `text` of pages, or headings, that are not there; and of documents outside the repository."""
    for found in _CITATION.finditer(text):
        page, anchor = found["page"], found["anchor"]
        if not (root / page).is_file():
            yield f"cites {page}, which does not exist"
        elif anchor and anchor not in _anchors(root / page):
            yield f"cites {found.group()}, and that page has no such heading"
    yield from (f"cites {found!r}, which is no page of this repository" for found in _ELSEWHERE.findall(text))


@cache
def _anchors(page: Path) -> frozenset[str]:
    return anchors_of(page.read_text(encoding="utf-8"))


def main() -> int:
    """Print every fault; the status is 1 if there is one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and name not in _NOT_CITING and (ROOT / name).is_file()]
    cited, found = 0, []
    for name in names:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        cited += len(_CITATION.findall(text))
        found += [f"{name}: {fault}" for fault in faults_of(text, ROOT)]
    for line in found:
        print(line)
    if not found:
        print(f"Citations: {cited}, each of a page and heading that exist.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
