"""Asks the service: which paths there are to watch, what one of them answers, and what it tells of itself.

All by GET, each on a connection of its own as a new visitor's: a kept one that the service closes meanwhile would look
like a fault of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from harness.model import Target
from harness.probes.exchange import Exchange, UnfitAnswer, curl_line
from harness.probes.headers import parse_retry_after
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.site import USUAL_PATHS, walk_site
from harness.probes.surface import Surface, find_surface
from harness.watch.figures import MetricsReading, UnreadMetricsError, read_metrics
from harness.watch.rota import Probe

Refusals = Literal["none", "any"]
ANY_REFUSAL: Refusals = "any"
"""Of a path that nobody promised: that it refuses whoever asks is an answer too."""
FRONT = "/"
USUAL_METRICS = "/metrics"
_TRIED_WITHIN_S = 15.0
_TRY_PAUSE_S = 0.02
_MOST_LINKED = 20
_TOO_MANY = 429
_MOST_METRICS_S = 5.0
_METRICS_KIND = {"Accept": "text/plain;version=0.0.4, */*;q=0.5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Which paths are watched, each with the refusals that are no fault there: none, or `ANY_REFUSAL`.

    While the service is down they are a guess, and `down` says why.
    """

    paths: Mapping[str, Refusals]
    down: str = ""
    left_out: tuple[str, ...] = ()
    """Paths that refuse whoever asks without a login or parameters: `/x (404)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What all places told of themselves at one time. `problems`: place -> why nothing could be read there."""

    at: float
    readings: tuple[tuple[str, MetricsReading], ...]
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scout:
    """Asks one service."""

    target: Target
    url: str
    ca_file: str = ""

    def find(self) -> Found:
        """Which paths to watch: those that the profile names under [watch], else what the service shows."""
        try:
            return self._find()
        except ServiceUnavailable as error:
            return self.guess(down=error.what)
        except Exception as error:  # noqa: BLE001 - whatever a service does to who looks at it, it is watched
            return self.guess(down=f"it could not be looked at ({type(error).__name__}: {error})")

    def _find(self) -> Found:
        health = self._health
        first = (*health, FRONT)[0]
        self._get(first)
        if self.target.watch.paths:
            return self.guess()
        surface = find_surface(self.target, self.url, self.ca_file)
        loaded = [path for path in self.target.load.paths if path not in self.target.cache.roles]
        promised = {*health, *self.target.pages.open, *self.target.cache.paths, *self.target.api.paths, *loaded}
        paths: dict[str, Refusals] = dict.fromkeys(health, "none")
        left_out: list[str] = []
        begun = time.monotonic()
        for path in dict.fromkeys((*surface.paths, *loaded, *self._linked(surface))):
            if path in surface.streams:
                continue
            status = 0 if path in promised or time.monotonic() - begun > _TRIED_WITHIN_S else self._usual_refusal(path)
            if status in (0, _TOO_MANY):
                paths[path] = "none"
            else:
                left_out.append(f"{path} ({status})")
        if not paths:
            # of a service behind a login the refusal shows that it lives
            paths = {first: ANY_REFUSAL}
        return Found(paths=paths, left_out=tuple(left_out))

    def guess(self, down: str = "") -> Found:
        """What is watched before the service was looked at, or while it is down."""
        promised = (*self._health, *self.target.watch.paths)
        return Found(paths=dict[str, Refusals](dict.fromkeys(promised, "none")) or {FRONT: ANY_REFUSAL}, down=down)

    @property
    def _health(self) -> tuple[str, ...]:
        return tuple(path for path in (self.target.health.live, self.target.health.ready) if path)

    def probe(self, path: str, refusals: Refusals, *, confirms: bool) -> Probe:
        """One question for a path. What is good: a whole answer below 400, or a refusal that is no fault there."""
        try:
            answer = self._get(path)
        except ServiceUnavailable as error:
            return Probe(
                path=path, at=time.monotonic(), outcome="bad", why=error.what, curl=error.curl, confirms=confirms
            )
        except Exception as error:  # noqa: BLE001 - what never was sent says nothing of the service, and is told
            why = f"could not be asked ({type(error).__name__}: {error})"
            return Probe(path=path, at=time.monotonic(), outcome="refused", why=why, confirms=confirms)
        status = answer.status
        is_refused = status == _TOO_MANY
        is_good = status < (500 if refusals == ANY_REFUSAL else 400)
        return Probe(
            path=path,
            at=time.monotonic(),
            outcome="refused" if is_refused else "good" if is_good else "bad",
            ms=answer.elapsed_s * 1000,
            why="" if is_good else f"it answered {status}",
            curl="" if is_good else curl_line(answer),
            wait_s=(parse_retry_after(answer.header("Retry-After")) or 0.0) if is_refused else 0.0,
            confirms=confirms,
            answered=True,
        )

    def read(self, places: tuple[str, ...]) -> Told:
        """What every place tells of itself."""
        readings: list[tuple[str, MetricsReading]] = []
        problems: dict[str, str] = {}
        for place in places:
            try:
                readings.append((place, self._metrics(place)))
            except UnreadMetricsError as error:
                problems[place] = str(error)
            except ServiceUnavailable as error:
                problems[place] = error.what
            except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the watch goes on without figures
                problems[place] = f"could not be asked ({type(error).__name__}: {error})"
        return Told(at=time.monotonic(), readings=tuple(readings), problems=problems)

    def offers_metrics(self) -> bool:
        """Is there something at the usual place that is no page and no refusal?"""
        try:
            with self._client(self.url) as client:
                answer = client.get(USUAL_METRICS, headers=_METRICS_KIND)
        except Exception:  # noqa: BLE001 - nobody promised that there is anything
            return False
        return answer.status_code == 200 and not answer.headers.get("Content-Type", "").startswith("text/html")

    def _metrics(self, place: str) -> MetricsReading:
        if place.startswith("/"):
            base, path = self.url, place
        else:
            parts = urlsplit(place)
            base, path = f"{parts.scheme}://{parts.netloc}", parts.path or "/"
        with self._client(base, _MOST_METRICS_S) as client:
            answer = client.get(path, headers=_METRICS_KIND)
        if answer.status_code != 200:
            raise UnreadMetricsError(f"it answered {answer.status_code}")
        return read_metrics(answer.content, answer.headers.get("Content-Type", ""))

    def _linked(self, surface: Surface) -> list[str]:
        """Where links and usual names lead, on a service that neither a document nor a profile describes."""
        if surface.openapi or self.target.source:
            return []

        def ask(method: str, url: str, **request: Any) -> Exchange:  # noqa: ANN401 - httpx's own arguments
            time.sleep(_TRY_PAUSE_S)
            with self._client(self.url) as client:
                return client.exchange(method, url, **request)

        usual = USUAL_PATHS if surface.manner.hides is None else ()
        seen = walk_site(ask, self.url, surface.paths, usual).answers
        return [one.path for one in seen if not 400 <= one.exchange.status < 500][:_MOST_LINKED]

    def _usual_refusal(self, path: str) -> int:
        """The status below 500 with which a path refuses a plain reader; 0 if it does not."""
        time.sleep(_TRY_PAUSE_S)
        try:
            status = self._get(path).status
        except (ServiceUnavailable, UnfitAnswer):
            return 0
        return status if 400 <= status < 500 else 0

    def _get(self, path: str) -> Exchange:
        with self._client(self.url) as client:
            return client.exchange("GET", path)

    def _client(self, base: str, timeout_s: float | None = None) -> RecordingClient:
        return RecordingClient(
            base,
            timeout_s=timeout_s or self.target.service.timeout_s,
            ca_file=self.ca_file,
            keep=1,
            headers={"Connection": "close"},
        )
