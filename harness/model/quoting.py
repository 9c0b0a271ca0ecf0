"""How a ruling's reason quotes what was observed, so that whoever reads it can tell the two apart."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.evidence import Evidence
from harness.model.ruling import Ruling, Status

_LIMIT = 300


def one_line(text: object, limit: int = _LIMIT) -> str:
    """Text of unknown origin on one line, without control characters, bounded."""
    clean = "".join(letter if letter.isprintable() else " " for letter in str(text))
    joined = " ".join(clean.split())
    return joined if len(joined) <= limit else f"{joined[: limit - 1]}…"


def account(line: Evidence) -> str:
    """What the line says for itself on one line: its reason, then its message, each once."""
    reason, message = one_line(line.reason), one_line(line.message)
    if not reason or reason in message:
        return message
    return f"{reason}; {message}" if message and message not in reason else reason


def quotation(line: Evidence) -> str:
    """What a ruling's reason says after its own words; empty for a line that says nothing."""
    said = account(line)
    return f". First: {said}" if said else ""


def quoted_line(ruling: Ruling, lines: Mapping[int, Evidence]) -> int | None:
    """The number of the line that the ruling's reason quotes, for a ruling that was read back from a file."""
    if ruling.status is Status.PASS:
        return None
    quoted = {seq: text for seq in ruling.evidence if seq in lines and (text := quotation(lines[seq]))}
    found = [seq for seq, text in quoted.items() if text in ruling.reason]
    # what one line says may begin what another says
    return max(found, key=lambda seq: len(quoted[seq]), default=None)


def own_words(ruling: Ruling, quoted: Evidence) -> str:
    """The ruling's reason without its quotation of that line."""
    return ruling.reason.replace(quotation(quoted), "", 1)
