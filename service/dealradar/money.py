"""How amounts are written for people, and read from them."""

import re


def euro(cents: int) -> str:
    """An amount in euros, with thousands parted: €1,234.50."""
    return f"€{cents // 100:,}.{cents % 100:02}"


def cents_of(text: str) -> int | None:
    """The cents of an amount in euros as people type it (`12`, `12.5`, `12,50`), below a million, or None."""
    match = re.fullmatch(r"([0-9]{1,6})(?:[.,]([0-9]{1,2}))?", text.strip())
    return int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0")) if match else None
