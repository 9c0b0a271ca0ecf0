"""Is the process alive, is it ready for requests, and which build is it? Never limited, never cached."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from dealradar.database import DatabaseDownError
from dealradar.problems import problem
from dealradar.state import ServicesDep
from dealradar.valkey import ValkeyDownError

CHECK_SECONDS = 1.0

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"]


class Ready(BaseModel):
    """Everything that the service needs answers."""

    status: Literal["ready"]
    checks: dict[str, Literal["up", "down"]]


class Build(BaseModel):
    """Which build this is, and where it runs."""

    build: str
    environment: str


@router.get("/live")
async def live() -> Live:
    """Answer as long as the process does."""
    return Live(status="live")


@router.get("/ready", responses={503: {"description": "PostgreSQL or Valkey does not answer"}})
async def ready(request: Request, services: ServicesDep) -> Ready:
    """Ask PostgreSQL and Valkey, both at once, within a second."""

    async def postgres() -> bool:
        try:
            await services.database.ping(CHECK_SECONDS)
        except DatabaseDownError:
            return False
        return True

    async def valkey() -> bool:
        try:
            await services.valkey.ping()
        except ValkeyDownError:
            return False
        return True

    names = ("postgres", "valkey")
    found = await asyncio.gather(postgres(), valkey())
    checks: dict[str, Literal["up", "down"]] = {n: "up" if ok else "down" for n, ok in zip(names, found, strict=True)}
    if services.lifecycle.is_draining:
        leaving: Response = problem(request.scope, 503, "Not ready: this instance is about to end.", checks=checks)
        return leaving  # type: ignore[return-value]
    if not all(found):
        down = " and ".join(name for name in names if checks[name] == "down")
        answer: Response = problem(request.scope, 503, f"Not ready: no answer from {down}.", checks=checks)
        return answer  # type: ignore[return-value]
    return Ready(status="ready", checks=checks)


@router.get("/build")
async def build(services: ServicesDep) -> Build:
    """Name the build."""
    return Build(build=services.settings.build_id, environment=services.settings.environment)
