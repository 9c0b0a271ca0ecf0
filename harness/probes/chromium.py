"""Which Chromium to drive, and how to start it so that what is tested stays as its makers ship it.

Order: the one that the caller names, an installed Chromium or Chrome, Playwright's own download, the one that `make
setup` unpacked from npm into this environment. The npm package's recommended arguments are not used: they switch off
web security and site isolation, which would hide what the security suite looks for.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from harness.errors import UsageError
from harness.machine.addresses import addresses_of
from harness.model.network import is_loopback_host
from harness.probes.reach import PORTS, place_of, plain_host

PACKAGED = Path(sys.prefix) / "node" / "chromium"
"""Where `make setup` unpacks the npm package's browser."""

_INSTALLED_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # what pages say in the console comes by the protocol; Playwright would keep it from the browser's log once more
    "--log-level=2",
)
_ANSWERS_WITHIN_S = 20
_OTHERS_ANSWER_WITHIN_S = 2
_HOST = re.compile(r"[\w.:-]+", re.ASCII)
_RULE = re.compile(r"(?:MAP|EXCLUDE) [\w.:-]+(?: [\w.:\[\]-]+)?", re.ASCII)


@dataclass(frozen=True)
class Chromium:
    """A browser that can be started here."""

    executable: Path
    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """To be laid over the environment of the browser's process, and of no other."""
    source: str = ""
    """Where it comes from, for `doctor` and reports."""

    def launch_options(self, environment: Mapping[str, str]) -> dict[str, object]:
        """Keyword arguments for Playwright's `chromium.launch`, which takes the whole environment or none."""
        return {
            "executable_path": str(self.executable),
            "args": list(self.args),
            "env": {**environment, **self.env},
            "headless": True,
        }


@dataclass(frozen=True)
class Places:
    """Where to look for a browser."""

    path: str | None = None
    """Folders of programs, as in PATH; None for the PATH of this process."""
    applications: tuple[str, ...] = _APPLICATIONS
    downloads: Path | None = None
    """Playwright's folder (PLAYWRIGHT_BROWSERS_PATH); None for the usual one."""
    packaged: Path = PACKAGED


USUAL_PLACES = Places()


def find_chromium(named: str | None = None, places: Places = USUAL_PLACES) -> Chromium | None:
    """The first browser in the order above, or None. `named` is what the user set (HARNESS_CHROMIUM).

    Raises UsageError if `named` is no program: another browser is not what was asked for.
    """
    if named:
        found = shutil.which(named, path=places.path)
        if found is None:
            raise UsageError(f"HARNESS_CHROMIUM names {named}, which is no program here: name a Chromium, or unset it")
        return Chromium(Path(found), _arguments(), source="named by HARNESS_CHROMIUM")
    installed = _find_installed(places.path, places.applications)
    if installed is not None:
        return Chromium(installed, _arguments(), source="installed")
    downloaded = next(_downloaded(places.downloads or _usual_downloads()), None)
    if downloaded is not None:
        return Chromium(downloaded, _arguments(), source="Playwright's download")
    return _packaged(places.packaged)


def arguments_to_trust(key_pin: str) -> tuple[str, ...]:
    """What makes a browser believe a server with that public key, and no other that it would not believe anyway.

    `key_pin` is base64 of the SHA-256 of its SubjectPublicKeyInfo; "" for none. Chromium heeds this only with a profile
    folder of its own, which Playwright gives it.
    """
    return (f"--ignore-certificate-errors-spki-list={key_pin}",) if key_pin else ()


def arguments_to_stay(urls: Iterable[str], hosts: Iterable[str] = ()) -> tuple[str, ...]:
    """What makes a browser connect to the hosts of those URLs and to `hosts`, and to no other whatever a page asks for.

    It holds for addresses as for names, for redirects, sockets, beacons and windows; where nobody resolves there is no
    connection. A name is looked up here, once: one that is looked up again may lead elsewhere. One of `hosts` that is
    not known is not connected to.
    """
    places = [place for url in urls if (place := place_of(url)) is not None]
    rules = [_rule(host, port, _ANSWERS_WITHIN_S) for host, port in places]
    named = {host for host, _ in places}
    for host in map(plain_host, hosts):
        if host not in named and _HOST.fullmatch(host):
            with suppress(OSError):
                rules.append(_rule(host, PORTS["https"], _OTHERS_ANSWER_WITHIN_S))
    kept = [rule for rule in dict.fromkeys(rules) if _RULE.fullmatch(rule)]
    return (
        f"--host-resolver-rules={', '.join([*kept, 'MAP * ~NOTFOUND'])}",
        "--no-proxy-server",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    )


def _rule(host: str, port: int, patience_s: float) -> str:
    """The rule by which that host is found. Chromium knows itself where `localhost` is."""
    if is_loopback_host(host) or _is_address(host):
        return f"EXCLUDE {host}"
    addresses = addresses_of(host, port)
    address = next((each for each in addresses if _accepts(each, port, patience_s)), addresses[0])
    return f"MAP {host} {f'[{address}]' if ':' in address else address}"


def _accepts(address: str, port: int, patience_s: float) -> bool:
    with suppress(OSError), socket.create_connection((address, port), patience_s):
        return True
    return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _arguments() -> tuple[str, ...]:
    """Root cannot use Chromium's sandbox; everybody else keeps Playwright's choice."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return (*(("--no-sandbox",) if is_root else ()), *_QUIET)


@functools.cache
def _find_installed(path: str | None, applications: tuple[str, ...]) -> Path | None:
    """The first installed browser that says its version: a distribution may ship a stub that asks for a snap."""
    on_path = [shutil.which(name, path=path) for name in _INSTALLED_NAMES]
    for program in (*filter(None, on_path), *applications):
        if os.access(program, os.X_OK) and _says_its_version(program):
            return Path(program)
    return None


def _says_its_version(program: str) -> bool:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_ANSWERS_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and ("Chrom" in answer.stdout)


def _usual_downloads() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    return Path.home() / ".cache" / "ms-playwright"


def _downloaded(folder: Path) -> Iterator[Path]:
    """Programs of the revision that the installed Playwright expects; another revision may not speak its protocol."""
    revision = expected_revision()
    if revision is None:
        return
    shell, full = f"chromium_headless_shell-{revision}", f"chromium-{revision}"
    patterns = (
        f"{shell}/chrome-*/chrome-headless-shell",
        f"{shell}/chrome-*/headless_shell",
        f"{full}/chrome-*/chrome",
        f"{full}/chrome-mac*/*.app/Contents/MacOS/*",
    )
    for pattern in patterns:
        yield from (path for path in sorted(folder.glob(pattern)) if os.access(path, os.X_OK))


def expected_revision() -> str | None:
    """The Chromium revision in the list that Playwright ships; None without Playwright."""
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        return None
    listed = Path(spec.origin).parent / "driver" / "package" / "browsers.json"
    if not listed.exists():
        return None
    browsers = json.loads(listed.read_text(encoding="utf-8"))["browsers"]
    return next((str(each["revision"]) for each in browsers if each["name"] == "chromium"), None)


def _packaged(folder: Path) -> Chromium | None:
    """The npm package's headless shell: it needs the NSS libraries and the font that lie beside it."""
    executable = folder / "chromium"
    if not os.access(executable, os.X_OK):
        return None
    env = MappingProxyType({"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_FILE": str(folder / "fonts.conf")})
    return Chromium(executable, ("--headless=shell", *_arguments()), env, source="npm package @sparticuz/chromium")
