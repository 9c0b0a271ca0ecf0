"""What a page of HTML says: where it leads, whose scripts it runs, its own policies, what its forms ask for."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser

from harness.probes.headers import parse_media_type

_MOST_PAGE = 2**20
"""Characters that are read: what comes after them is no reader's business either."""
_IN_HEAD = frozenset({"html", "head", "title", "meta", "link", "style", "script", "base", "noscript", "template"})
_WITH_TEXT = frozenset({"title", "style", "script", "noscript", "template"})
"""Elements of the head with text; any other text stands in the body."""
_HIDING = frozenset({"noscript", "template"})
_FIELDS = frozenset({"input", "select", "textarea", "button"})
_TYPED = frozenset({"", "email", "tel", "text"})
_SIMPLE = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_REFRESH = re.compile(r"\s*[\d.]*\s*[;,\s]\s*(?:url\s*=\s*)?[\"']?([^\"']*)", re.IGNORECASE)
"""A time, then a place (HTML 4.2.5.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageField:
    """A field of a form."""

    tag: str
    kind: str
    """Its `type` in lower case; "" where none is said."""
    name: str
    id: str
    value: str

    @property
    def selector(self) -> str:
        """How CSS names it; "" where it has neither an id nor a name that is a plain word."""
        if _SIMPLE.fullmatch(self.id):
            return f"#{self.id}"
        return f'{self.tag}[name="{self.name}"]' if _SIMPLE.fullmatch(self.name) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageForm:
    """A form as its markup says: what a script makes of it is not seen."""

    action: str | None
    """None without the attribute: the page's own address."""
    method: str
    """In lower case, `get` where nothing else is said."""
    says_method: bool
    fields: tuple[PageField, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields that are sent."""
        return tuple(dict.fromkeys(one.name for one in self.fields if one.name))

    @property
    def has_password(self) -> bool:
        """Does it ask for a password, or several?"""
        return any(one.kind == "password" for one in self.fields)

    @property
    def hidden(self) -> dict[str, str]:
        """What it sends of its own."""
        return {one.name: one.value for one in self.fields if one.kind == "hidden" and one.name}

    @property
    def password(self) -> PageField | None:
        """The one that a form to log in by asks for; a form with two, to register or to change it, is none."""
        found = [one for one in self.fields if one.kind == "password"]
        return found[0] if len(found) == 1 else None

    @property
    def username(self) -> PageField | None:
        """What is typed in right before the password."""
        typed = [one for one in self.fields if one.tag == "input" and one.kind in (*_TYPED, "password")]
        at = next((at for at, one in enumerate(typed) if one.kind == "password"), 0)
        return typed[at - 1] if at else None


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
    descriptions: list[str] = field(default_factory=list)
    """Where the page's API is described (RFC 8631)."""
    files: list[str] = field(default_factory=list)
    """Pictures, scripts and style sheets: their folders may lie open."""
    forms: list[PageForm] = field(default_factory=list)
    resources: list[PageResource] = field(default_factory=list)
    scripts: list[dict[str, str]] = field(default_factory=list)
    """Attributes of each `<script>`."""
    refresh: str = ""
    """Where `<meta http-equiv="refresh">` leads."""
    title: str = ""
    generator: str = ""
    """What made the page, as `<meta name="generator">` says it."""
    charset: str = ""
    """As a `<meta>` of the head says it."""
    policies: list[str] = field(default_factory=list)
    """Content security policies that `<meta>` elements of the head say, in their order."""
    referrers: list[str] = field(default_factory=list)
    """The same of referrer policies."""

    @property
    def login(self) -> PageForm | None:
        """The first form to log in by."""
        return next((one for one in self.forms if one.password), None)


def read_parts(text: str) -> PageParts:
    """Read a page, however broken it is."""
    parser = _Parts()
    # Python's parser gives up on some malformed declarations: what came before them is known
    with suppress(AssertionError):
        parser.feed(text[:_MOST_PAGE])
        parser.close()
    parser.end_form()
    return parser.found


class _Parts(HTMLParser):
    """A policy that stands outside of the head says nothing: the first element or text of the body ends the head."""

    def __init__(self) -> None:
        super().__init__()
        self.found = PageParts()
        self._form: dict[str, str] | None = None
        self._fields: list[PageField] = []
        self._head_is_over = False
        self._hidden = 0
        self._text_of = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # of an attribute that stands there twice the first counts
        said = {name: value or "" for name, value in reversed(attrs)}
        self._head_is_over = self._head_is_over or tag not in _IN_HEAD
        self._text_of = tag if tag in _WITH_TEXT else self._text_of
        self._hidden += tag in _HIDING
        match tag:
            case "a" | "area" if said.get("href"):
                self.found.links.append(said["href"])
            case "form":
                self.end_form()
                self._form = said
            case "script":
                self.found.scripts.append(said)
                self._resource(tag, said.get("src", ""), said)
            case "link":
                self._link(said)
            case "img" | "iframe" | "source" if said.get("src"):
                self.found.files.append(said["src"])
            case "meta":
                self._meta(said)
            case _ if tag in _FIELDS:
                self._field(tag, said)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _HIDING))
        self._head_is_over = self._head_is_over or tag == "head"
        if tag == self._text_of:
            self._text_of = ""
        if tag == "form":
            self.end_form()

    def handle_data(self, data: str) -> None:
        if self._text_of == "title" and not self.found.title:
            self.found.title = " ".join(data.split())
        self._head_is_over = self._head_is_over or (bool(data.strip()) and not self._text_of)

    def end_form(self) -> None:
        """The form that is open ends here."""
        if self._form is None:
            return
        form = PageForm(
            action=self._form.get("action"),
            method=self._form.get("method", "").strip().lower() or "get",
            says_method="method" in self._form,
            fields=tuple(self._fields),
        )
        self.found.forms.append(form)
        self._form, self._fields = None, []

    def _field(self, tag: str, said: dict[str, str]) -> None:
        if self._form is not None:
            kind = said.get("type", "").strip().lower()
            value, name = said.get("value", ""), said.get("name", "")
            self._fields.append(PageField(tag=tag, kind=kind, name=name, id=said.get("id", ""), value=value))

    def _resource(self, tag: str, url: str, said: dict[str, str]) -> None:
        if url:
            self.found.files.append(url)
            self.found.resources.append(PageResource(tag=tag, url=url, integrity=said.get("integrity", "").strip()))

    def _link(self, said: dict[str, str]) -> None:
        kinds = set(said.get("rel", "").lower().split())
        if "stylesheet" in kinds:
            self._resource("link", said.get("href", ""), said)
        if {"service-desc", "describedby"} & kinds:
            self.found.descriptions.append(said.get("href", ""))

    def _meta(self, said: dict[str, str]) -> None:
        content, name = said.get("content", ""), said.get("name", "").strip().lower()
        # words of these attributes are compared as they are, spaces and all (HTML 2.3.3)
        equivalent = said.get("http-equiv", "").lower()
        if equivalent == "refresh" and (place := _REFRESH.match(content)):
            self.found.refresh = place[1].strip()
        if name == "generator":
            self.found.generator = " ".join(content.split())
        if not (self._head_is_over or self._hidden):
            self._meta_of_head(equivalent, name, content)
            self.found.charset = self.found.charset or said.get("charset", "").strip()

    def _meta_of_head(self, equivalent: str, name: str, content: str) -> None:
        if equivalent == "content-security-policy":
            self.found.policies.append(content)
        elif equivalent == "content-type" and not self.found.charset:
            media = parse_media_type(content)
            self.found.charset = media.parameters.get("charset", "") if media else ""
        elif name == "referrer":
            self.found.referrers.append(content)
