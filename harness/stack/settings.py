"""From a profile's words to what a process is given: placeholders filled in, environment composed."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.errors import ConfigError
from harness.model import Target
from harness.model.placeholders import SERVER_OF, STACK_WORDS, fill, with_parts
from harness.stack.protocol import ServiceEndpoint


class PlaceholderValues:
    """What a profile's placeholders mean to one copy of the service.

    Secrets are made when they are first asked for, and stay the same for the stack.
    """

    def __init__(self, target: Target, values: Mapping[str, str], known_secrets: dict[str, str]) -> None:
        self._target = target
        self._values = with_parts(values)
        self.secrets = known_secrets

    def at(self, endpoint: ServiceEndpoint) -> PlaceholderValues:
        """The same for another copy of the service."""
        here = {"port": str(endpoint.port), "url": endpoint.public or endpoint.url}
        return PlaceholderValues(self._target, {**self._values, **here}, self.secrets)

    def fill(self, text: str, where: str) -> str:
        """`text` with its placeholders replaced; raises ConfigError naming one that is unknown or has no server.

        `where` is the text's key in the profile.
        """

        def value_of(name: str) -> str:
            if name in self._values:
                return self._values[name]
            kind, _, secret = name.partition(".")
            if kind == "secret" and secret:
                return self.secrets.setdefault(secret, secrets.token_urlsafe(24))
            raise self._unknown(name, where)

        return fill(text, value_of)

    def fill_command(self, words: tuple[str, ...], where: str) -> tuple[str, ...]:
        """All words of a command, filled in."""
        return tuple(self.fill(word, where) for word in words)

    def _unknown(self, name: str, where: str) -> ConfigError:
        if name in SERVER_OF:
            what = f"{{{name}}} has no value, since `needs` lacks {SERVER_OF[name]!r}; add it, or set the value itself"
        else:
            known = " ".join(f"{{{word}}}" for word in STACK_WORDS)
            what = f"{{{name}}} is no placeholder; known ones: {known} {{secret.NAME}}"
        return ConfigError(what, path=self._target.source or None, key=where)


def service_settings(
    target: Target, placeholders: PlaceholderValues, endpoint: ServiceEndpoint, overrides: Mapping[str, str]
) -> dict[str, str]:
    """The settings of one copy of the service: `PORT`, the profile's `env`, and last what `--env` overrides."""
    here = placeholders.at(endpoint)
    filled = {key: here.fill(value, f"service.env.{key}") for key, value in target.service.env.items()}
    return {"PORT": str(endpoint.port), **filled, **overrides}


def base_environment(scratch: Path) -> dict[str, str]:
    """What every process of a service gets beside its settings; nothing else of the caller's environment.

    `PATH` begins with the folder of the running Python, so that `python` in a profile is the same one.
    """
    path = [str(Path(sys.executable).parent), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    return {
        "PATH": os.pathsep.join(path),
        "HOME": os.environ.get("HOME", str(scratch)),
        "LANG": "C.UTF-8",
        "TMPDIR": str(scratch),
        "TZ": "UTC",
    }
