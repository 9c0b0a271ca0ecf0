"""What of a page of HTML is worth a question: where it leads, what it asks its readers for, whose scripts it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(frozen=True, slots=True, kw_only=True)
class PageForm:
    """A form as its markup says: what a script makes of it is not seen."""

    action: str | None
    """None without the attribute: the page's own address."""
    method: str
    """In lower case, `get` where nothing else is said."""
    names: tuple[str, ...]
    """Of the fields that are sent."""
    has_password: bool
    says_method: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResource:
    """A script or a style sheet that is loaded from elsewhere."""

    tag: str
    url: str
    integrity: str


@dataclass(slots=True)
class PageParts:
    """All of a page, in its order."""

    links: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """Pictures, scripts and style sheets: their folders may lie open."""
    forms: list[PageForm] = field(default_factory=list)
    resources: list[PageResource] = field(default_factory=list)
    refresh: str = ""
    """Where `<meta http-equiv="refresh">` leads."""
    scripted: bool = False
    title: str = ""
    charset: str = ""
    """As `<meta>` says it, in lower case."""
    generator: str = ""
    """What made the page, as `<meta name="generator">` says it."""


def read_parts(text: str) -> PageParts:
    """Read a page, however broken it is."""
    parser = _Parts()
    try:
        parser.feed(text)
        parser.close()
    except AssertionError:
        # Python's parser gives up on some malformed declarations: what came before them is known
        return parser.found
    parser.end_form()
    return parser.found


class _Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = PageParts()
        self._form: dict[str, str] | None = None
        self._names: list[str] = []
        self._password = False
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in reversed(attrs)}
        self._in_title = tag == "title"
        match tag:
            case "a" | "area" if said.get("href"):
                self.found.links.append(said["href"])
            case "form":
                self.end_form()
                self._form = said
            case "input" | "select" | "textarea" | "button":
                self._field(tag, said)
            case "script":
                self.found.scripted = True
                self._resource(tag, said.get("src", ""), said)
            case "link" if "stylesheet" in said.get("rel", "").lower().split():
                self._resource(tag, said.get("href", ""), said)
            case "img" | "iframe" | "source" if said.get("src"):
                self.found.files.append(said["src"])
            case "meta":
                self._meta(said)

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        if tag == "form":
            self.end_form()

    def handle_data(self, data: str) -> None:
        if self._in_title and not self.found.title:
            self.found.title = " ".join(data.split())

    def end_form(self) -> None:
        """The form that is open ends here."""
        if self._form is None:
            return
        self.found.forms.append(
            PageForm(
                action=self._form.get("action"),
                method=self._form.get("method", "").strip().lower() or "get",
                names=tuple(dict.fromkeys(self._names)),
                has_password=self._password,
                says_method="method" in self._form,
            )
        )
        self._form, self._names, self._password = None, [], False

    def _field(self, tag: str, said: dict[str, str]) -> None:
        if self._form is None:
            return
        if said.get("name"):
            self._names.append(said["name"])
        self._password = self._password or (tag == "input" and said.get("type", "").strip().lower() == "password")

    def _resource(self, tag: str, url: str, said: dict[str, str]) -> None:
        if url:
            self.found.files.append(url)
            self.found.resources.append(PageResource(tag=tag, url=url, integrity=said.get("integrity", "").strip()))

    def _meta(self, said: dict[str, str]) -> None:
        content = said.get("content", "")
        kind = said.get("http-equiv", "").strip().lower()
        if "charset" in said:
            self.found.charset = said["charset"].strip().lower()
        elif kind == "content-type":
            self.found.charset = content.lower().partition("charset=")[2].strip()
        elif said.get("name", "").strip().lower() == "generator":
            self.found.generator = " ".join(content.split())
        elif kind == "refresh":
            _, _, place = content.partition(";")
            self.found.refresh = place.strip().removeprefix("url=").removeprefix("URL=").strip("'\"")


def is_injected(text: str, mark: str) -> str:
    """As what a page runs what a reader wrote: the name of an element or of an attribute, or a script's own words.

    `mark` is the word that stands in the input as `injection(mark)` has it. "" where the page shows it as text only.
    """
    parser = _Injected(mark.lower())
    try:
        parser.feed(text)
        parser.close()
    except AssertionError:
        return parser.found
    return parser.found


def injection(mark: str) -> str:
    """An input that does nothing by itself, and becomes markup wherever it is written unescaped."""
    return f"{mark}\"'></{mark}><{mark} {mark}=1>"


class _Injected(HTMLParser):
    def __init__(self, mark: str) -> None:
        # references are left as they are: what is escaped must not look like what is not
        super().__init__(convert_charrefs=False)
        self._mark = mark
        self._in_script = False
        self.found = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        if tag.startswith(self._mark):
            self._note("an element of its own")
        elif any(self._mark in name for name, _ in attrs):
            self._note(f"an attribute of <{tag}>")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        # where markup is text, as in a script, an end tag ends it; so do quotes that are left as they are
        said = data.lower()
        if f"</{self._mark}" in said or (self._in_script and f"{self._mark}\"'" in said):
            self._note("part of a script" if self._in_script else "markup")

    def handle_comment(self, data: str) -> None:
        if f"<{self._mark}" in data.lower():
            self._note("part of a comment")

    def _note(self, what: str) -> None:
        self.found = self.found or what
