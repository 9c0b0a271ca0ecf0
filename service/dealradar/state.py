"""What every request shares, built once at the start and handed to the routes by dependency."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from dealradar.cache_store import CacheStore
from dealradar.database import Database
from dealradar.settings import Settings
from dealradar.traffic import Traffic
from dealradar.valkey import Valkey


@dataclass(frozen=True)
class Services:
    """The parts of a running service."""

    settings: Settings
    database: Database
    valkey: Valkey
    cache: CacheStore
    traffic: Traffic


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
