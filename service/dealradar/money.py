"""How amounts are written for people."""


def euro(cents: int) -> str:
    """An amount in euros, with thousands parted: €1,234.50."""
    return f"€{cents // 100:,}.{cents % 100:02}"
