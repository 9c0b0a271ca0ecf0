"""Reads that may do more than read, against RFC 9110, 9.2.1: told by what their paths say.

A link is left alone when it *may* act (`ACTS`): nobody described it. An operation of a document is left alone when its
path gives an order, or the document says so (`seems_to_act`): `/export` and `/update-notes` are reads there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ACTS = re.compile(
    r"log-?out|sign-?out|log-?off|delete|remove|destroy|unsubscribe|cancel|confirm|export|download|shut-?down"
    r"|(?:^|[/_.-])(?:create|drop(?!lets?|down|box|zone|ship)|reset|purge|flush|wipe|truncate|re(?:start|boot|load|build|index)|init-?(?:db|data)"
    r"|migrate|seed|populate|install|uninstall|upload|import(?!an)|generate|(?:dis|en)able|(?:de)?activate|revoke|rotate)"
    r"|(?:^|[/_.-])(?:run|exec|execute|trigger|send|publish|vote|like|pay|buy|checkout|subscribe|toggle|sync|stop|start"
    r"|kill|quit|exit|clear|update|save|add|approve|reject|accept|decline|restore|backup)(?:$|[/_.?-]|(?-i:[A-Z]))",
    re.IGNORECASE,
)
"""A path whose GET is never sent unasked."""
_ORDER = re.compile(
    r"(?:create|delete|remove|drop|reset|purge|clear|flush|wipe|truncate|destroy|erase|seed|populate|init|initiali[sz]e"
    r"|migrate|reindex|rebuild|log-?_?out|sign-?_?out|log-?_?off|shut-?_?down|restart|reboot|kill|terminate|deactivate"
    r"|disable|revoke|unsubscribe|cancel|trigger)(?:db|database|data|all|everything|cache|users?|tables?|session)?"
    r"(?=$|[-_.]|(?-i:[A-Z]))",
    re.IGNORECASE,
)
"""A segment that begins with an order; `/cancelled`, `/deleted-items` and `/clearance` do not."""
_SAID_TO_ACT = re.compile(
    r"x-(?:.+-)?(?:side-?effects?|mutates|mutating|mutation|unsafe|writes|destructive|dangerous|not-safe)"
)
_SAID_TO_READ = re.compile(r"x-(?:.+-)?(?:safe|read-?only)")


def seems_to_act(path: str, raw: Mapping[str, Any]) -> bool:
    """Does the path of a read begin a segment with a word that orders something (`/createdb`, `/admin/reset-all`), or
    does the document say by an extension that it is none (`x-side-effects: true`, `x-readonly: false`)?
    """
    for key, value in raw.items():
        name = key.lower().replace("_", "-")
        if (_SAID_TO_ACT.fullmatch(name) and value not in (False, None)) or (
            _SAID_TO_READ.fullmatch(name) and value is False
        ):
            return True
    return any(_ORDER.match(segment) for segment in path.split("/") if "{" not in segment)
