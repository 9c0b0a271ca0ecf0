"""For whoever runs the service: figures for Prometheus, and the switches."""

import ipaddress
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel, ConfigDict

from dealradar.auth import FOR_OPERATORS, OperatorDep
from dealradar.flags import FLAGS, Flag
from dealradar.state import ServicesDep
from dealradar.telemetry import exposition

router = APIRouter(tags=["operations"])


class Switch(BaseModel):
    """A switch; changed_at is null while nobody has turned it."""

    name: str
    what: str
    is_on: bool
    changed_at: datetime | None


class Turn(BaseModel):
    """How a switch is to stand."""

    model_config = ConfigDict(extra="forbid", strict=True)
    is_on: bool


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Everything that this process counted, for addresses in METRICS_NETWORKS."""
    address = ipaddress.ip_address(request.state.client.address)
    if not any(address in network for network in services.settings.metrics_networks):
        raise HTTPException(403, "Figures are not for this address.")
    return Response(exposition(services), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/api/admin/flags", responses=FOR_OPERATORS)
async def switches(services: ServicesDep, _: OperatorDep) -> list[Switch]:
    """List the switches."""
    turned = await services.flags.turned()
    return [_switch(flag, turned.get(flag.name)) for flag in FLAGS.values()]


@router.put(
    "/api/admin/flags/{name}",
    responses={**FOR_OPERATORS, 404: {"description": "There is no such switch"}},
)
async def turn(
    services: ServicesDep, operator: OperatorDep, name: Annotated[str, Path(pattern="^[a-z]{1,40}$")], given: Turn
) -> Switch:
    """Turn a switch; every instance and worker follows within a second."""
    if name not in FLAGS:
        raise HTTPException(404, "There is no such switch.")
    await services.flags.turn(name, operator.user_id, is_on=given.is_on)
    return _switch(FLAGS[name], (await services.flags.turned()).get(name))


def _switch(flag: Flag, turned: tuple[bool, datetime] | None) -> Switch:
    is_on, changed_at = turned or (flag.is_on, None)
    return Switch(name=flag.name, what=flag.what, is_on=is_on, changed_at=changed_at)
