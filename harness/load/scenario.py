"""Which requests to send to a target: its profile's own scenario, or the nearest thing to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from harness.errors import UsageError
from harness.load.plan import LoadPlan, Request, Stage, clients_needed
from harness.model import Target

_KEPT_IN_PATHS = "/?#[]@!$&'()*+,;=:%~"
"""What RFC 3986 lets stand in a path and its query; all else of what a service shows is encoded."""
_OWN_USE_S = 60.0
"""Without a known limiter, clients are as many as if the limit were one request a second for a minute."""


def scenario(target: Target, *, paths: Iterable[str] = (), found: Iterable[str] = ()) -> tuple[Request, ...]:
    """GET requests with weights. The first of these that names any: `paths` (given by hand), the profile's [load]
    paths, its cached paths and pages, `found` (parameterless GETs of its OpenAPI document), its liveness path, `/`.

    Cached paths and pages that need a login are left out: load carries no credentials. So is what the profile's
    [openapi] leave_out names, unless it is given by hand.
    """
    weights: Mapping[str, float] = (
        dict.fromkeys(paths, 1.0)
        or _called(target, target.load.paths)
        or _called(
            target,
            dict.fromkeys(
                [path for path in target.cache.paths if path not in target.cache.roles] + [*target.pages.open], 1.0
            ),
        )
        or _called(target, dict.fromkeys((quote(path, safe=_KEPT_IN_PATHS) for path in found), 1.0))
        or {target.health.live or "/": 1.0}
    )
    return tuple(Request(path=path, weight=weight) for path, weight in weights.items())


def _called(target: Target, weights: Mapping[str, float]) -> dict[str, float]:
    return {path: weight for path, weight in weights.items() if not target.openapi.leaves_out("GET", path)}


def plan_for(
    target: Target,
    url: str,
    *,
    stages: tuple[Stage, ...],
    requests: tuple[Request, ...],
    seed: int,
    stop_at_knee: bool = False,
    workers: int = 1,
    ca_file: str = "",
) -> LoadPlan:
    """A plan in which no simulated client comes near the target's limiter, which stays on."""
    return LoadPlan(
        url=url,
        requests=requests,
        stages=stages,
        clients=_clients(target, stages),
        address=target.clients.address,
        timeout_s=target.service.timeout_s,
        seed=seed,
        stop_at_knee=stop_at_knee,
        workers=workers,
        ca_file=ca_file,
    )


def _clients(target: Target, stages: tuple[Stage, ...]) -> int:
    """As many as the highest rate needs; one where the target cannot tell clients apart."""
    peak = max(max(stage.rate, stage.end_rate) for stage in stages)
    limit = target.ratelimit
    if target.clients.address == "none":
        _check_unshared(target, peak)
        return 1
    if limit is None:
        return clients_needed(peak, limit=round(_OWN_USE_S), window_s=_OWN_USE_S)
    return clients_needed(peak, limit=limit.limit, window_s=limit.window_s)


def _check_unshared(target: Target, peak: float) -> None:
    limit = target.ratelimit
    if limit is not None and peak * limit.window_s > limit.limit:
        raise UsageError(
            f"load: {peak:g} requests a second from one client run into the limit of {limit.limit} in"
            f" {limit.window_s:g} s; lower --rate to {0.5 * limit.limit / limit.window_s:g}, or set [clients] address"
            ' to "source" or "x-forwarded-for" in the profile'
        )
