"""What this machine says about its package registries, told to uv and npm.

pip reads its own files and variables. uv reads none of them, and npm knows nothing of pip's certificates, so a machine
behind a mirror or a proxy with an authority of its own, set up for pip alone, would leave both without a way out. A
setting that uv's or npm's own variables already make is left as it is.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Mapping, Sequence

_LINE = re.compile(r"^(?P<scope>[^.=]+)\.(?P<key>[^=]+)=(?P<value>.*)$")


def read_pip_settings(pip: Sequence[str] | None, environment: Mapping[str, str]) -> dict[str, str]:
    """pip's settings by name (`index-url`, `cert`, …): pip's own answer, or its variables where there is no pip."""
    settings: dict[str, str] = {}
    if pip is not None:
        listed = subprocess.run(
            [*pip, "config", "list"], env=dict(environment), capture_output=True, text=True, check=False
        )
        settings.update(parse_pip_config(listed.stdout))
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def parse_pip_config(text: str) -> dict[str, str]:
    """Settings out of `pip config list`; as for pip, `[install]` and the environment win over `[global]`."""
    ranked: dict[str, tuple[int, str]] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        rank = {"global": 0, "install": 1, ":env:": 2}.get(found["scope"])
        if rank is None:
            continue
        value = ast.literal_eval(found["value"])
        if rank >= ranked.get(found["key"], (-1, ""))[0]:
            ranked[found["key"]] = (rank, str(value))
    return {key: value for key, (_, value) in ranked.items()}


def environment_for_uv(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: this process's, and pip's settings under uv's names."""
    wanted = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    wanted.update(_for_uv(pip))
    return {**wanted, **environment}


def _for_uv(pip: Mapping[str, str]) -> dict[str, str]:
    one_to_one = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
        "proxy": "ALL_PROXY",
        "trusted-host": "UV_INSECURE_HOST",
    }
    settings = {theirs: " ".join(pip[ours].split()) for ours, theirs in one_to_one.items() if ours in pip}
    if "UV_FIND_LINKS" in settings:
        settings["UV_FIND_LINKS"] = ",".join(settings["UV_FIND_LINKS"].split())
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        settings["UV_NO_INDEX"] = "1"
    if "UV_INDEX" in settings:
        # pip looks for a version in every index, uv stops at the first that knows the name. Hashes make both safe.
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return settings


def environment_for_npm(node_folder: str, uv_environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for npm: Node of the wheel first on PATH, and the certificates that pip was told to trust."""
    environment = dict(uv_environment)
    environment["PATH"] = f"{node_folder}:{environment.get('PATH', '')}"
    if "SSL_CERT_FILE" in environment:
        environment.setdefault("NODE_EXTRA_CA_CERTS", environment["SSL_CERT_FILE"])
    environment.setdefault("NPM_CONFIG_UPDATE_NOTIFIER", "false")
    return environment
