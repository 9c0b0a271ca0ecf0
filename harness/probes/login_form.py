"""A page's form to log in by, as a client without a browser sends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_MOST_PAGE = 512 * 1024
_TYPED = frozenset({"", "text", "email", "tel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginForm:
    """The first form with one password: where it goes, what it sends of its own, and the names of what is typed in."""

    method: str
    action: str
    """As written; "" for the page's own address."""
    hidden: dict[str, str] = field(default_factory=dict)
    username: str = ""
    password: str = ""


def login_form(page: str) -> LoginForm | None:
    """The form of that page; None where none asks for one password."""
    parser = _Forms()
    try:
        parser.feed(page[:_MOST_PAGE])
        parser.close()
    except AssertionError:
        # Python's parser gives up on some malformed declarations: what came before them is known
        return parser.found
    return parser.found


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: LoginForm | None = None
        self._said: dict[str, str] = {}
        self._hidden: dict[str, str] = {}
        self._typed = ""
        self._passwords: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        name, kind = said.get("name", ""), said.get("type", "").lower()
        if tag == "form":
            self._said, self._hidden, self._typed, self._passwords = said, {}, "", []
        elif tag == "input" and kind == "hidden" and name:
            self._hidden[name] = said.get("value", "")
        elif tag == "input" and kind == "password":
            self._passwords.append(name)
        elif tag == "input" and kind in _TYPED and not self._passwords:
            self._typed = name

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and len(self._passwords) == 1 and self.found is None:
            self.found = LoginForm(
                method=self._said.get("method", "get").lower(),
                action=self._said.get("action", ""),
                hidden=self._hidden,
                username=self._typed,
                password=self._passwords[0],
            )
