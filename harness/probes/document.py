"""What an answer is to a browser, and what the head of an HTML document adds to the answer's headers."""

from __future__ import annotations

import re
from typing import Literal

from harness.probes.browser_headers import keeps_type
from harness.probes.csp import Csp, parse_csp
from harness.probes.exchange import Exchange
from harness.probes.headers import MediaType, browser_type
from harness.probes.page_parts import read_parts

AnswerKind = Literal["document", "data", "file", "redirect", "error", "empty"]
"""An HTML page; what a program reads (JSON, XML, text); anything else with a body; and answers that show nothing."""

_DATA = frozenset({"text/plain", "text/csv", "text/xml", "application/xml", "application/yaml", "text/event-stream"})
_LOOKS_HTML = re.compile(rb"[\t\n\x0c\r ]*<(!doctype html|html|head|body|script|title|h1|div)[\s>]", re.IGNORECASE)
"""The beginnings of HTML that browsers look for where no type is said (MIME Sniffing 7.1)."""
_FIRST = 1024
"""Bytes within which a document's charset must stand (HTML 4.2.5.4)."""
_BOM = b"\xef\xbb\xbf"
_ERROR = 400
_REDIRECT = 300


def kind_of(answer: Exchange) -> AnswerKind:
    """What a browser makes of the answer as a page of its own."""
    if answer.status >= _ERROR:
        return "error"
    if answer.status >= _REDIRECT:
        return "redirect"
    if not answer.size:
        return "empty"
    if is_page(answer):
        return "document"
    media = browser_type(answer.header_lines("Content-Type"))
    return "data" if media is not None and _is_data(media) else "file"


def is_page(answer: Exchange, begun_by_us: str = "") -> bool:
    """Does a browser take the body for HTML, whatever the status? Without a type it looks at how the body begins, which
    may be a word of ours: `begun_by_us`."""
    media = browser_type(answer.header_lines("Content-Type"))
    if media is not None:
        return media.is_html
    if keeps_type(answer.header_lines("X-Content-Type-Options")):
        return False
    ours = begun_by_us.encode()
    return _LOOKS_HTML.match(answer.body) is not None or bool(ours and answer.body.lstrip().startswith(ours))


def _is_data(media: MediaType) -> bool:
    return media.is_json or media.essence in _DATA or media.subtype.endswith(("+xml", "+yaml"))


def in_words(answer: Exchange) -> str:
    """Who answered what: how a sentence about the answer begins."""
    return f"{answer.method} {answer.path} answered {answer.status}"


def why_not_due(answer: Exchange, *kinds: AnswerKind) -> str | None:
    """Why nothing is demanded of this answer that is due for these kinds alone; None where it is due."""
    kind = kind_of(answer)
    if kind in kinds:
        return None
    said = answer.header("Content-Type")
    shown = "without a body" if not answer.size else f"as {said}" if said else "without a Content-Type"
    return f"not applicable: answered {answer.status} {shown[:100]}, which is no {' or '.join(kinds)}"


def policy_of(answer: Exchange) -> Csp:
    """The content security policy in force: of the header's lines, and of a document's `<meta>` elements."""
    metas = read_parts(answer.text).policies if kind_of(answer) == "document" else ()
    return parse_csp(answer.header_lines("Content-Security-Policy"), metas)


def charset_of(answer: Exchange) -> str:
    """The charset that a document says, in small letters: in its header, by its mark, or in `<meta>`; "" if none."""
    media = browser_type(answer.header_lines("Content-Type"))
    if answer.body.startswith(_BOM):
        return "utf-8"
    said = media.parameters.get("charset", "") if media else ""
    return (said or read_parts(answer.body[:_FIRST].decode("utf-8", "replace")).charset).lower()
