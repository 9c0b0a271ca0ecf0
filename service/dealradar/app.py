"""Puts the service together: the framework with its routes inside, the layers around it."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from dealradar import __version__, failures, openapi, pages, traffic
from dealradar.cache_store import CacheStore
from dealradar.conditional import Conditional
from dealradar.cors import Cors
from dealradar.database import Database
from dealradar.flags import Flags
from dealradar.limits import RequestLimits, TimeLimit
from dealradar.outermost import Outermost
from dealradar.ratelimit import RateLimit
from dealradar.response_cache import ResponseCache
from dealradar.routes import accounts, admin, catalogue, comments, deals, health, metrics, operations, reviews, watching
from dealradar.security_headers import SecurityHeaders
from dealradar.settings import Settings
from dealradar.state import Lifecycle, Services
from dealradar.traffic import Traffic
from dealradar.valkey import Valkey
from dealradar.warmer import keep_warm


def build_app(settings: Settings, lifecycle: Lifecycle) -> ASGIApp:
    """The whole service as one ASGI application. Nothing is connected before its lifespan begins.

    From the outside in: request id and timing, security headers, CORS, rate limit, size limits, entity tags, cache,
    time limit, framework. So every answer is dressed and counted, and what the cache stores is the framework's answer
    alone.
    """
    valkey = Valkey(settings.redis_url)
    cache = CacheStore(valkey, settings)
    database = Database(settings.database_url)
    services = Services(settings, database, valkey, cache, Traffic(), Flags(database), lifecycle)
    cached = build_cached(services)
    app: ASGIApp = RequestLimits(Conditional(cached))
    app = RateLimit(app, valkey, settings.rate_limit_per_minute, cached.foresee)
    app = Cors(app, settings.cors_origins)
    app = SecurityHeaders(app, settings.trusted_proxies, settings.environment)
    return Outermost(app, services.traffic)


def build_cached(services: Services) -> ResponseCache:
    """The framework behind the cache, without the layers that are about clients: what the warmer asks."""
    framework = _framework(services)
    services.traffic.known = traffic.labels(_methods_and_paths(framework.routes))
    return _cached(framework, services)


def _cached(framework: ASGIApp, services: Services) -> ResponseCache:
    return ResponseCache(TimeLimit(framework, services.settings.request_timeout_seconds), services.cache)


def _framework(services: Services) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(framework: FastAPI) -> AsyncIterator[None]:
        await services.database.open()
        gc.freeze()  # what was loaded until now is never garbage: no collection need look at it again
        warming = asyncio.create_task(keep_warm(_cached(framework, services), services.cache))
        try:
            yield
        finally:
            warming.cancel()
            await services.cache.hot.flush()
            await services.database.close()
            await services.valkey.close()

    app = FastAPI(
        title="DealRadar",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    for module in (health, accounts, watching, catalogue, deals, reviews, comments, metrics, operations, admin, pages):
        # Not include_router: the routes would be hidden from whoever lists them (the Allow header, the traffic report).
        app.router.routes.extend(module.router.routes)

    @app.get("/openapi.json", include_in_schema=False)
    async def described() -> dict[str, object]:
        return openapi.document(app)

    failures.install(app)
    return app


def _methods_and_paths(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Route):
            yield from ((method, route.path) for method in route.methods or ())
