"""A waivers' file with one waiver in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_WAIVER = """\
schema = 1
[[waiver]]
criterion = "{criterion}"
owner = "jane.doe@example.org"
reason = "Two internal reports use the slow path; the index lands with the next release."
expires = {expires}
"""


def waivers(criterion: str, *, days: int = 30, target: str = "") -> str:
    """The file's text; its waiver ends `days` from today, and is for that target alone if one is named."""
    expires = datetime.now(UTC).date() + timedelta(days=days)
    text = _WAIVER.format(criterion=criterion, expires=expires.isoformat())
    return f'{text}target = "{target}"\n' if target else text
