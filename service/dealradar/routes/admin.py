"""For operators: who works, on what, and prices as merchants report them."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, Field

from dealradar.auth import FOR_OPERATORS, OperatorDep
from dealradar.database import Connection, Row
from dealradar.heartbeat import live_workers
from dealradar.schemas import LARGEST_ID, Cents, Input, Whole
from dealradar.state import ServicesDep
from dealradar.valkey import ValkeyDownError

router = APIRouter(prefix="/api/admin", tags=["admin"], responses=FOR_OPERATORS)

RUNS_SHOWN = 5
MOST_PRICES = 500
MOST_NAMED = 20

_JOBS = """
    SELECT j.name, j.fence, j.holder, j.held_since,
           coalesce(array_agg(to_jsonb(r) ORDER BY r.tick DESC) FILTER (WHERE r.tick IS NOT NULL), '{}') AS runs
      FROM jobs j LEFT JOIN LATERAL (
           SELECT tick, worker, fence, began_at, ended_at, outcome, detail FROM job_runs
            WHERE job = j.name ORDER BY tick DESC LIMIT %s) r ON true
     GROUP BY j.name ORDER BY j.name
"""
_UNKNOWN = """
    SELECT DISTINCT id FROM unnest(%s::bigint[]) AS id WHERE NOT EXISTS (SELECT FROM deals WHERE deals.id = id.id)
     ORDER BY id
"""
_WAIT = """
    INSERT INTO price_imports (deal_id, price_cents)
    SELECT deal, cents FROM unnest(%s::bigint[], %s::int[]) WITH ORDINALITY AS given (deal, cents, place) ORDER BY place
"""


class Worker(BaseModel):
    """A worker that said lately that it lives; `jobs` are those that it holds, with their fences."""

    id: str
    pid: int
    host: str
    build: str
    started_at: datetime
    beat_at: datetime
    jobs: dict[str, int]


class JobRun(BaseModel):
    """One tick of a job; without an end it is under way, or its worker is gone."""

    tick: datetime
    worker: str
    fence: int
    began_at: datetime
    ended_at: datetime | None
    outcome: Literal["done", "failed"] | None
    detail: str | None


class Job(BaseModel):
    """A job, its newest fence, who got it, and the newest ticks; `holder` is null while nobody has the job."""

    name: str
    fence: int
    holder: str | None
    held_since: datetime | None
    runs: list[JobRun]


class Workforce(BaseModel):
    """`workers` is null while Valkey, where they say that they live, does not answer."""

    workers: list[Worker] | None
    jobs: list[Job]


class ReportedPrice(Input):
    """What a deal costs now."""

    deal_id: Annotated[int, Field(ge=1, le=LARGEST_ID), Whole]
    price_cents: Cents


class PriceReport(Input):
    """Prices in the order in which they are to be applied."""

    prices: Annotated[list[ReportedPrice], Field(min_length=1, max_length=MOST_PRICES)]


class Accepted(BaseModel):
    """How many prices wait for the job `imports`."""

    accepted: int


@router.get("/workers")
async def workers(services: ServicesDep, _: OperatorDep, response: Response) -> Workforce:
    """Say which workers live, and what was run."""
    response.headers["Cache-Control"] = "no-store"
    jobs = await services.database.all(_JOBS, [RUNS_SHOWN])
    try:
        live = [Worker.model_validate(sign) for sign in await live_workers(services.valkey)]
    except ValkeyDownError:
        return Workforce(workers=None, jobs=[Job(**job) for job in jobs])
    return Workforce(workers=live, jobs=[Job(**job) for job in jobs])


@router.post("/prices", status_code=202, responses={409: {"description": "There is no such deal"}})
async def report_prices(services: ServicesDep, _: OperatorDep, given: PriceReport) -> Accepted:
    """Take prices to be applied soon. All of them wait, or, where a deal is unknown, none."""
    deals = [line.deal_id for line in given.prices]

    async def wait(connection: Connection) -> list[Row]:
        unknown = await (await connection.execute(_UNKNOWN, [deals])).fetchall()
        if not unknown:
            await connection.execute(_WAIT, [deals, [line.price_cents for line in given.prices]])
        return unknown

    unknown = await services.database.within(wait)
    if unknown:
        named = ", ".join(str(row["id"]) for row in unknown[:MOST_NAMED])
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        raise HTTPException(409, f"There is no deal {named}{more}; none of the prices was taken.")
    return Accepted(accepted=len(given.prices))
