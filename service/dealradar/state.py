"""What every request shares, built once at the start and handed to the routes by dependency."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from dealradar.cache_store import CacheStore
from dealradar.database import Database
from dealradar.flags import Flags
from dealradar.settings import Settings
from dealradar.traffic import Traffic
from dealradar.valkey import Valkey


@dataclass
class Lifecycle:
    """`is_draining`: the process was asked to end, and still answers for a moment."""

    is_draining: bool = False


@dataclass(frozen=True)
class Services:
    """The parts of a running service."""

    settings: Settings
    database: Database
    valkey: Valkey
    cache: CacheStore
    traffic: Traffic
    flags: Flags
    lifecycle: Lifecycle


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


SWITCHED_OFF: dict[int | str, dict[str, object]] = {403: {"description": "Switched off by an operator"}}


async def demand_flag(services: Services, name: str) -> None:
    """Raise HTTPException while a switch is off. To be called once it is known who asks: 401 comes before 403."""
    if not await services.flags.is_on(name):
        raise HTTPException(403, "This is switched off at the moment.")
