"""Single values of JSON bodies, changed: PTC, BPR, NPS, NPR, SPR, SCA, SRE (HTTPMutator)."""

from __future__ import annotations

from random import Random

from harness.prove.wire.json_paths import Json
from harness.prove.wire.operators.json_body import (
    HIGHEST,
    LONGEST,
    LOWEST,
    SHORTEST,
    drawn_alphanumeric,
    drawn_text,
    inner_operator,
    json_operator,
)

_SPECIAL = ("/", "*", ",", "´", "´*", "/*", "/,", "*,", "´/", "´,")  # noqa: RUF001 - the acute accent is meant
_LOWER, _UPPER = "ejemplo minus", "EJEMPLO MAYUS"
"""As in HTTPMutator's http-mutation.properties."""


def _other_type(node: Json, chance: Random) -> Json:
    choices: list[tuple[type, Json]] = [
        (int, chance.randint(LOWEST, HIGHEST)),
        (float, chance.uniform(LOWEST, HIGHEST)),
        (bool, chance.random() < 0.5),
        (str, drawn_text(chance)),
        (dict, {}),
        (list, []),
    ]
    return chance.choice([value for kind, value in choices if kind is not type(node)])


def _reverse(node: Json, _chance: Random) -> Json:
    return not node if isinstance(node, bool) else node


def _null(_node: Json, _chance: Random) -> Json:
    return None


def _other_number(node: Json, chance: Random) -> Json:
    if isinstance(node, bool) or not isinstance(node, int | float):
        return node
    if isinstance(node, float):
        return chance.uniform(LOWEST, HIGHEST)
    number = chance.randint(LOWEST, HIGHEST - 1)
    return number if number != node else HIGHEST


def _other_text(node: Json, chance: Random) -> Json:
    if not isinstance(node, str):
        return node
    text = drawn_text(chance)
    return text if text != node else f"{text[1:]}x"


def _special(node: Json, chance: Random) -> Json:
    if not isinstance(node, str):
        return node
    at = chance.randint(0, len(node))
    return f"{node[:at]}{chance.choice(_SPECIAL)}{node[at:]}"


def _boundary(node: Json, chance: Random) -> Json:
    if not isinstance(node, str):
        return node
    choices = (
        "" if node else " ",
        drawn_alphanumeric(chance, SHORTEST),
        drawn_alphanumeric(chance, LONGEST),
        _LOWER,
        _UPPER,
    )
    return chance.choice([text for text in choices if text != node])


OPERATORS = (
    inner_operator("PTC", "A value has another type.", _other_type),
    inner_operator("NPS", "A value is null.", _null),
    json_operator("BPR", "A boolean is the opposite.", _reverse),
    json_operator("NPR", "A number is another one, from -1,000,000 to 1,000,000.", _other_number),
    json_operator("SPR", "A text is another one, of 1 to 10 characters.", _other_text),
    json_operator("SCA", "A text holds special characters more.", _special),
    json_operator(
        "SRE", "A text is empty, very short, ten characters long, in small letters or in capitals.", _boundary
    ),
)
