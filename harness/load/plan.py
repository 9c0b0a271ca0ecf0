"""What a load run sends: which requests, how often, for how long, as how many clients.

A plan is data. It travels to Locust's process as JSON and lies in the run's folder beside the samples, so that a run
can be repeated request by request (same plan, same seed, same arrivals).
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from harness.errors import UsageError
from harness.machine.decoding import Reader
from harness.model.network import SAFE_METHODS

Arrivals = Literal["poisson", "uniform"]
Address = Literal["source", "x-forwarded-for", "none"]

_CLIENT_SHARE = 0.5
"""A simulated client stays at or below this share of the target's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One kind of request of the scenario; `weight` is its share among all of them."""

    path: str
    method: str = "GET"
    weight: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The endpoint's name in results and evidence: `GET /x`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Arrivals at `rate` a second for `seconds`, or ramping from `rate` to `until`.

    A stage that warms up is sent and kept in the raw samples, and no figure is made of it.
    """

    rate: float
    seconds: float
    until: float | None = None
    name: str = ""
    warm_up: bool = False

    @property
    def end_rate(self) -> float:
        """Arrivals a second at the stage's end."""
        return self.rate if self.until is None else self.until

    @property
    def arrivals(self) -> float:
        """The expected number of arrivals."""
        return (self.rate + self.end_rate) / 2 * self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """A whole load run. `validate` says what is wrong with one."""

    url: str
    requests: tuple[Request, ...]
    stages: tuple[Stage, ...]
    clients: int = 1
    address: Address = "none"
    """How the target tells one client from another: the connection's source (127.x.y.z), a header, or not at all."""
    timeout_s: float = 10.0
    ca_file: str = ""
    """One authority more to trust over TLS, such as a stack's own."""
    seed: int = 0
    arrivals: Arrivals = "poisson"
    max_in_flight: int | None = None
    """Requests that may wait for their answers at once; what is due beyond it is dropped, and counted as dropped.

    None: as many as arrive within the time-out, so that only a broken generator drops.
    """
    lateness_limit_s: float = 0.020
    """The generator is late, and its figures void, if the 99th percentile of (sent - due) is above this."""
    canary: bool = True
    canary_rate: float = 20.0
    canary_pause_s: float = 0.3
    stop_at_knee: bool = False
    """End early, at the first stage that the target or the generator does not sustain (capacity)."""
    workers: int = 1
    """Locust processes that share the arrivals."""
    writes: bool = False
    """The caller allows methods that change something."""

    @property
    def seconds(self) -> float:
        """How long arrivals come, in seconds."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def in_flight_limit(self) -> int:
        """`max_in_flight`, or what Little's law allows for the highest rate and the time-out."""
        if self.max_in_flight is not None:
            return self.max_in_flight
        peak = max(max(stage.rate, stage.end_rate) for stage in self.stages)
        return min(20_000, math.ceil(peak * self.timeout_s * 1.2) + 64)

    def document(self) -> bytes:
        """The plan as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


_PLAN = Reader(LoadPlan)


def read_plan(path: Path) -> LoadPlan:
    """The plan that `document` wrote. Raises `msgspec.DecodeError` or `OSError`."""
    return _PLAN.json(path.read_bytes())


def clients_needed(rate: float, *, limit: int, window_s: float) -> int:
    """How many clients must share `rate` so that none of them uses more than half of the target's limit."""
    return max(1, math.ceil(rate * window_s / (_CLIENT_SHARE * limit)))


def client_addresses(plan: LoadPlan) -> tuple[str, ...]:
    """A distinct address for each simulated client; none where the target cannot tell clients apart.

    In a header: out of 10.0.0.0/8 (RFC 1918). As a source: out of 127.64.0.0/10, all of it loopback on Linux.
    Where they begin depends on the seed, so that two runs within one window of the limiter are two sets of clients.
    """
    if plan.address == "none":
        return ()
    block = ipaddress.ip_network("10.0.0.0/8" if plan.address == "x-forwarded-for" else "127.64.0.0/10")
    size = block.num_addresses - 2
    begin = (plan.seed * 2_654_435_761) % size
    return tuple(str(block[1 + (begin + number) % size]) for number in range(plan.clients))


def validate(plan: LoadPlan) -> None:
    """Raises `UsageError` naming the first thing in the plan that cannot be."""
    parts = _split(plan.url)
    if not plan.requests:
        raise UsageError("load: no request to send; give one with --path /x or in the profile's [load] paths")
    for request in plan.requests:
        _check_request(request, writes=plan.writes)
    _check_duration(plan)
    _positive("clients", plan.clients)
    _positive("timeout", plan.timeout_s)
    _positive("workers", plan.workers)
    if plan.max_in_flight is not None:
        _positive("max_in_flight", plan.max_in_flight)
    if plan.address == "source" and not _is_ipv4_loopback(parts.hostname or ""):
        raise UsageError(
            f"load: {plan.url}: clients with a source address each exist only on 127.0.0.1;"
            ' set [clients] address = "x-forwarded-for" or "none" in the profile'
        )


def _check_duration(plan: LoadPlan) -> None:
    if not plan.stages:
        raise UsageError("load: no stage: for how long is load wanted?")
    for stage in plan.stages:
        _check_stage(stage)
    if sum(stage.arrivals for stage in plan.stages if not stage.warm_up) < 1:
        raise UsageError(f"load: {plan.seconds:g} s at this rate is less than one request; raise --rate or --duration")
    least = plan.canary_pause_s * 3
    if plan.canary and plan.seconds < least:
        raise UsageError(
            f"load: {plan.seconds:g} s is too short to show that a stall is seen; {least:g} s is the least"
        )


def _check_request(request: Request, *, writes: bool) -> None:
    _check_path(request.path)
    if request.method not in SAFE_METHODS and not writes:
        raise UsageError(f"load: {request.name} may change something; only {', '.join(sorted(SAFE_METHODS))} are sent")
    for header, value in request.headers.items():
        if any(char in header + value for char in "\r\n\0"):
            raise UsageError(f"load: header {header!r} of {request.name} holds a line break")
    _positive(f"weight of {request.name}", request.weight)


def _check_path(path: str) -> None:
    if not path.startswith("/") or path.startswith("//"):
        raise UsageError(f"load: path {path!r} must begin with one /")
    if any(ord(char) <= 0x20 or ord(char) == 0x7F for char in path) or not path.isascii():
        raise UsageError(f"load: path {path!r} holds a blank, a control or a non-ASCII character; encode it (%20)")


def _check_stage(stage: Stage) -> None:
    _positive("duration", stage.seconds)
    for rate in (stage.rate, stage.end_rate):
        if not math.isfinite(rate) or rate < 0:
            raise UsageError(f"load: rate {rate!r} must be a number of requests a second, 0 or more")


def _positive(what: str, number: float) -> None:
    if not math.isfinite(number) or number <= 0:
        raise UsageError(f"load: {what} {number!r} must be above 0")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"load: {url!r} is not a URL ({error})") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"load: {url!r} is not an http or https URL")
    if port == 0:
        raise UsageError(f"load: {url!r} names port 0")
    return parts


def _is_ipv4_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
