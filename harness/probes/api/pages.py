"""A service of pages as its accounts see it: links and forms are its operations, where no document describes any."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from harness.probes.api.inputs import FORM, MULTIPART, Body, Inputs, Parameter
from harness.probes.api.request import json_of
from harness.probes.exchange import Exchange
from harness.probes.openapi_operation import Operation, names_in_path

_MOST_TEXT = 512 * 1024
_THING = re.compile(r"\d{1,18}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{12,64}")
"""A part of a path that names a thing by a number, a UUID or another key that nobody chose."""
_TOKEN = re.compile(r"csrf|xsrf|token|nonce|authenticity", re.IGNORECASE)
_FORMATS = {"email": "email", "url": "uri", "date": "date", "datetime-local": "date-time", "time": "time"}
_SILENT = frozenset({"script", "style", "title", "option", "noscript", "template"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field of a form, with what stands in it: a tick is true or false."""

    name: str
    kind: str
    value: Any
    options: tuple[str, ...] = ()
    required: bool = False


@dataclass(slots=True)
class WebForm:
    """A form of a page, and where it goes; "" for the page's own address."""

    action: str
    method: str
    media_type: str
    fields: dict[str, FormField] = field(default_factory=dict)

    @property
    def hidden(self) -> dict[str, str]:
        """What it sends that nobody types in."""
        return {name: str(each.value) for name, each in self.fields.items() if each.kind == "hidden"}

    @property
    def values(self) -> dict[str, Any]:
        """What stands in the fields that somebody fills in."""
        return {name: each.value for name, each in self.fields.items() if each.kind not in ("hidden", "password")}

    @property
    def asks_for_password(self) -> bool:
        """Has it a field for a password?"""
        return any(each.kind == "password" for each in self.fields.values())


@dataclass(slots=True)
class Page:
    """What of a page an account can follow, fill in and read."""

    links: list[tuple[str, str]] = field(default_factory=list)
    """Address as written, and the link's words."""
    forms: list[WebForm] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def page_of(answer: Exchange | None) -> Page | None:
    """The page that an answer is; None if it is none."""
    kind = (answer.header("Content-Type") or "").partition(";")[0].strip().lower() if answer is not None else ""
    if answer is None or kind not in ("text/html", "application/xhtml+xml"):
        return None
    parser = _Pages()
    try:
        parser.feed(answer.text[:_MOST_TEXT])
        parser.close()
    except AssertionError:
        # Python's parser gives up on some malformed declarations: what came before them is known
        return parser.found
    return parser.found


class _Pages(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = Page()
        self._form: WebForm | None = None
        self._select: dict[str, str] | None = None
        self._area = ""
        self._option: dict[str, str] | None = None
        self._silent = ""
        self._in_link = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in reversed(attrs)}
        self._silent = tag if tag in _SILENT else self._silent
        match tag:
            case "a" if said.get("href"):
                self.found.links.append((said["href"], ""))
                self._in_link = True
            case "form":
                kind = MULTIPART if said.get("enctype", "").lower() == MULTIPART else FORM
                self._form = WebForm(said.get("action", ""), said.get("method", "").strip().lower() or "get", kind)
                self.found.forms.append(self._form)
            case "select":
                self._select = said
            case "option" if self._select is not None:
                self._option = said if "value" not in said else None
                if "value" in said:
                    self._add(self._select, "select", said["value"], chosen="selected" in said)
            case "textarea":
                self._add(said, "textarea", "")
                self._area = said.get("name", "")
            case "input":
                self._add_input(said)

    def _add_input(self, said: Mapping[str, str]) -> None:
        kind = said.get("type", "").strip().lower() or "text"
        is_sent = kind not in ("submit", "button", "image", "reset") and (kind != "radio" or "checked" in said)
        if is_sent:
            self._add(said, kind, "checked" in said if kind == "checkbox" else said.get("value", ""))

    def _add(self, said: Mapping[str, str], kind: str, value: Any, *, chosen: bool = True) -> None:  # noqa: ANN401
        name = said.get("name", "")
        if self._form is None or not name:
            return
        before = self._form.fields.get(name)
        options = (*before.options, value) if before is not None and kind == "select" else (value,)
        if before is not None and not (kind == "select" and chosen):
            value = before.value
        self._form.fields[name] = FormField(
            name=name, kind=kind, value=value, options=options if kind == "select" else (), required="required" in said
        )

    def handle_endtag(self, tag: str) -> None:
        self._silent = "" if tag == self._silent else self._silent
        match tag:
            case "form":
                self._form = None
            case "select":
                self._select = None
            case "textarea":
                self._area = ""
            case "a":
                self._in_link = False

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if self._area and self._form is not None:
            one = self._form.fields[self._area]
            self._form.fields[self._area] = FormField(
                name=one.name, kind=one.kind, value=f"{one.value}{data}".strip("\r\n"), required=one.required
            )
        elif text and self._option is not None and self._select is not None:
            # its words are its value where it says none
            self._add(self._select, "select", text, chosen="selected" in self._option)
            self._option = None
        elif text and not self._silent:
            self.found.texts.append(text)
            if self._in_link:
                self.found.links[-1] = (self.found.links[-1][0], text)


def told_by(answer: Exchange | None) -> Any:  # noqa: ANN401 - JSON is anything
    """What an answer tells: its JSON; of a page its texts, what stands in its forms, and the things it leads to."""
    page = page_of(answer)
    if answer is None or (page is None and not answer.header("Location")):
        return json_of(answer)
    links = [*(page.links if page is not None else ()), (answer.header("Location") or "", "")]
    things = _things_led_to(answer, links)
    if page is None:
        return things
    return {**things, "forms": [each.values for each in page.forms if each.method == "post"], "texts": page.texts}


def _things_led_to(answer: Exchange, links: Iterable[tuple[str, str]]) -> dict[str, Any]:
    things: dict[str, list[dict[str, Any]]] = {}
    for address, text in links:
        template, named = template_of(local_path(answer, address) or "")
        if len(named) == 1:
            before = template.partition("/{")[0].rpartition("/")[2]
            things.setdefault(before, []).append({"id": next(iter(named.values())), "title": text})
    return things


def local_target(answer: Exchange, address: str) -> str | None:
    """The path and query that an address of an answer means at this service; None where it leads elsewhere."""
    try:
        whole, own = urlsplit(urljoin(answer.url, address)), urlsplit(answer.url)
    except ValueError:
        return None
    if not address or (whole.scheme, whole.netloc) != (own.scheme, own.netloc):
        return None
    return (whole.path or "/") + (f"?{whole.query}" if whole.query else "")


def local_path(answer: Exchange, address: str) -> str | None:
    """The path alone; see `local_target`."""
    target = local_target(answer, address)
    return None if target is None else target.partition("?")[0]


def template_of(path: str) -> tuple[str, dict[str, str | int]]:
    """A path with a name for each part that names a thing, and what stood there: `/tickets/{tickets_id}`."""
    parts, named = path.split("/"), {}
    for number, part in enumerate(parts):
        if _THING.fullmatch(part) and number > 1:
            name = f"{parts[number - 1].strip('{}')}_id"
            named[name] = int(part) if part.isdigit() else part
            parts[number] = f"{{{name}}}"
    return "/".join(parts), named


def operations_of(answer: Exchange) -> Iterator[tuple[Operation, Inputs]]:
    """The page itself, what it links and what its forms send."""
    page = page_of(answer)
    if page is None:
        return
    for address in (answer.url, *(each for each, _ in page.links)):
        path = local_path(answer, address)
        if path is not None:
            yield _operation("GET", template_of(path)[0], ()), _inputs(template_of(path)[0])
    for form in page.forms:
        path = local_path(answer, form.action or answer.url)
        if path is not None and form.method in ("get", "post"):
            yield _sent_by(form, template_of(path)[0])


def _sent_by(form: WebForm, template: str) -> tuple[Operation, Inputs]:
    typed = {name: each for name, each in form.fields.items() if each.kind != "hidden"}
    if form.method == "get":
        query = [
            Parameter(name=name, where="query", required=False, schema=_schema(each), example=None)
            for name, each in typed.items()
        ]
        return _operation("GET", template, ()), _inputs(template, query)
    members = {name: _schema(each) for name, each in typed.items()}
    needed = [name for name, each in typed.items() if each.required or each.kind != "checkbox"]
    schema = {"type": "object", "properties": members, "required": needed}
    body = Body(media_type=form.media_type, schema=schema, example=None)
    return _operation("POST", template, ("302",)), _inputs(template, bodies=(body,))


def _operation(method: str, path: str, statuses: tuple[str, ...]) -> Operation:
    return Operation(
        method=method,
        path=path,
        written=path,
        operation_id="",
        required=tuple(names_in_path(path)),
        needs_login=False,
        has_body=method == "POST",
        statuses=statuses,
    )


def _inputs(path: str, query: list[Parameter] | None = None, bodies: tuple[Body, ...] = ()) -> Inputs:
    named = [
        Parameter(name=name, where="path", required=True, schema={"type": "string"}, example=None)
        for name in names_in_path(path)
    ]
    return Inputs(parameters=(*named, *(query or ())), bodies=bodies, words="")


def _schema(one: FormField) -> dict[str, Any]:
    match one.kind:
        case "number" | "range":
            return {"type": "integer"}
        case "checkbox":
            return {"type": "boolean"}
        case "select" | "radio":
            options = [each for each in dict.fromkeys((*one.options, one.value)) if each]
            return {"type": "string", "enum": options} if options else {"type": "string"}
        case "file":
            return {"type": "string", "format": "binary"}
    return {"type": "string", **({"format": _FORMATS[one.kind]} if one.kind in _FORMATS else {})}


def tokens_in(hidden: Mapping[str, str]) -> set[str]:
    """Names of hidden fields that hold a token against forged forms, by their names or their values."""
    return {name for name, text in hidden.items() if _TOKEN.search(name) or re.fullmatch(r"[\w+/=.:-]{20,}", text)}


def shows_again(answer: Exchange, sent: Mapping[str, Any]) -> bool:
    """Is it the page with the form that was sent: the service wants something else in it?"""
    page = page_of(answer)
    return page is not None and any(
        form.method == "post" and len(form.fields.keys() & sent.keys()) * 2 > len(sent) for form in page.forms
    )
