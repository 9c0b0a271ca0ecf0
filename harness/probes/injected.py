"""Words that a reader wrote, and as what a page of HTML has them: as text, or as a part of itself."""

from __future__ import annotations

from html.parser import HTMLParser


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


def script_address(mark: str) -> str:
    """An address that runs as a script where a page links to it, and names nothing that is there."""
    return f"javascript:{mark}"


_ADDRESSES = frozenset({"action", "data", "formaction", "href", "src", "xlink:href"})


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
        for name, value in attrs:
            # references are resolved before a script is read: quotes that are escaped for HTML alone are quotes to it
            said = (value or "").strip().lower()
            if name.startswith("on") and f"{self._mark}\"'" in said:
                self._note(f"part of the script in {name} of <{tag}>")
            elif name in _ADDRESSES and said.startswith(script_address(self._mark)):
                self._note(f"an address of <{tag}> that is a script")

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
