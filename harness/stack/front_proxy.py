"""The proxy in front of a stack's service: one URL for several instances, and TLS where it is asked for."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import StackError
from harness.machine.extras import lacking
from harness.model import FRONT, Instance, StackInfo, Target
from harness.stack.ports import HOST, free_port, is_free, occupied
from harness.stack.protocol import ServiceEndpoint
from harness.stack.readiness import service_problem, tail, wait_until
from harness.stack.running import RunningStack
from harness.stack.settings import base_environment
from harness.stack.supervisor.client import Order, Supervision
from harness.stack.supervisor.registry import make_private

FrontKind = Literal["plain", "tls"]
"""What stands in front of a service: a proxy that goes round its instances, or one that ends TLS too."""
_READY_SECONDS = 10.0
_NAMES = (HOST, "localhost")
"""What a stack's certificate vouches for.

The stack says 127.0.0.1: a name gains nothing, since Chromium (153) keeps Secure and `__Host-` cookies of both, and
remembers HSTS of neither (RFC 6797, 8.1.1, forbids it for addresses).
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """Who vouches for a stack's proxy."""

    ca_file: Path
    """The authority's certificate, PEM."""
    server_file: Path
    """The proxy's certificate and key, PEM."""
    key_pin: str
    """Base64 of the SHA-256 of the proxy's public key (SubjectPublicKeyInfo), as browsers and RFC 7469 have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A proxy that is to stand, or stands, in front of a service."""

    port: int
    authority: Authority | None

    @property
    def url(self) -> str:
        """Where the service is reached, as it is told itself."""
        return f"{'https' if self.authority else 'http'}://{HOST}:{self.port}"

    @property
    def ca_file(self) -> str:
        """Who vouches for it; "" for nobody."""
        return str(self.authority.ca_file) if self.authority else ""

    @property
    def key_pin(self) -> str:
        """The key that browsers are to trust; "" for none."""
        return self.authority.key_pin if self.authority else ""


def check_front(kind: FrontKind | None) -> None:
    """Raises StackError if it cannot be had here."""
    if kind == "tls":
        _check_tls()


def plan_front(kind: FrontKind | None, state: Path, mark: str, port: int | None) -> Front | None:
    """Choose its port, and make its certificate; nothing runs yet. Raises StackError if the wanted port is taken."""
    if kind is None:
        return None
    if port is not None and not is_free(port):
        raise occupied(port)
    authority = _make_authority(state / "tls", mark) if kind == "tls" else None
    return Front(port=port if port is not None else free_port(), authority=authority)


def start_behind(
    stack: RunningStack, target: Target, front: Front, wanted: Sequence[ServiceEndpoint | None]
) -> tuple[Instance, ...]:
    """Start copies of the service at these endpoints, and the proxy that stands in front, which gets ready meanwhile.

    Raises what `start_copies` does, and StackError if the proxy does not bring answers of ready copies.
    """
    told: list[tuple[str, ...]] = []

    def begin(upstreams: tuple[str, ...]) -> None:
        told.append(upstreams)
        _spawn(stack, front, upstreams)

    started = stack.start_copies(stack.info.overrides, wanted, public=front.url, meanwhile=begin)
    upstreams = tuple(instance.url for instance in started)
    if upstreams != told[0]:
        # a copy had to take another port
        stack.supervision.stop(FRONT)
        begin(upstreams)
    _settle(stack, target, front)
    info = stack.info
    pids = {**info.pids, FRONT: stack.supervision.pids[FRONT]}
    stack.update(pids=pids, logs={**info.logs, FRONT: str(_log(info))})
    return started


def _spawn(stack: RunningStack, front: Front, upstreams: Sequence[str]) -> None:
    """On this machine, whatever the backend; ended before the service is."""
    routes = _write_routes(stack.info, upstreams)
    tls = str(front.authority.server_file) if front.authority else ""
    stack.supervision.spawn(
        Order(
            name=FRONT,
            argv=(sys.executable, "-I", "-m", "harness.proxy.program", str(front.port), tls, str(routes)),
            env=base_environment(Path(stack.info.state_dir) / "tmp"),
            log=_log(stack.info),
            stage=3,
        )
    )


def route_front(info: StackInfo, supervision: Supervision, upstreams: Sequence[str], seconds: float) -> bool:
    """Let the proxy in front of a running stack send new requests to these alone.

    Returns whether everybody else has answered all that they had been sent, within `seconds`. To be repeated without
    harm. Raises StackError where the proxy does not take the routes.
    """
    from harness.proxy.program import served_file

    told = served_file(_write_routes(info, upstreams))
    supervision.signal(FRONT, "HUP")

    def others() -> str | None:
        served = set(told.read_text(encoding="utf-8").split()) if told.is_file() else set()
        if not served.issuperset(upstreams):
            return "routes"
        return "requests" if served.difference(upstreams) else None

    wait = wait_until(others, lambda: None, seconds)
    if wait.problem == "routes":
        raise StackError(
            f"the proxy in front of the service does not take new routes within {seconds:g} s; its log says why",
            output=tail(_log(info)),
        )
    return wait.ready


def _write_routes(info: StackInfo, upstreams: Sequence[str]) -> Path:
    """All at once: the proxy may read at any moment."""
    routes = Path(info.state_dir) / "routes"
    aside = routes.with_name(".routes.new")
    aside.write_text("\n".join(upstreams), encoding="utf-8")
    aside.replace(routes)
    return routes


def _settle(stack: RunningStack, target: Target, front: Front) -> None:
    wait = wait_until(
        lambda: service_problem(front.url, target.health, target.service.timeout_s, front.ca_file),
        lambda: stack.supervision.exit_status(FRONT),
        _READY_SECONDS,
    )
    if wait.ready:
        return
    if wait.status is not None and not is_free(front.port):
        raise occupied(front.port)
    raise StackError(
        f"the proxy in front of the service {wait.failure()} after {wait.seconds:.1f} s; its log says why",
        output=tail(_log(stack.info)),
    )


def _log(info: StackInfo) -> Path:
    return Path(info.state_dir) / "logs" / f"{FRONT}.log"


def _check_tls() -> None:
    """Raises StackError, with the command that mends it, where no certificate can be made here."""
    missing = lacking("trustme", "tls")
    if missing is not None:
        raise StackError(f"--tls: {missing}")


def _make_authority(folder: Path, mark: str) -> Authority:
    """Make a certificate under `folder`. Both names bear the stack's mark: what somebody read of them stays true.

    The authority's own key is written nowhere, so that nothing else can ever be signed with it.
    """
    import trustme

    make_private(folder)
    authority = trustme.CA()
    issued = authority.issue_cert(*_NAMES)
    found = Authority(folder / f"ca-{mark}.pem", folder / f"server-{mark}.pem", _pin(issued.cert_chain_pems[0].bytes()))
    found.ca_file.write_bytes(authority.cert_pem.bytes())
    found.server_file.touch(mode=0o600)
    found.server_file.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    return found


def _pin(pem: bytes) -> str:
    from harness.probes.trust import key_pin

    return key_pin(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")))
