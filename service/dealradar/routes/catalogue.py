"""Merchants and categories: what deals are sorted into."""

from fastapi import APIRouter
from pydantic import BaseModel

from dealradar.database import Database
from dealradar.keyset import WHOLE, Listing, Order, Page, Part, PartQuery
from dealradar.routes.deals import FOREIGN_CURSOR
from dealradar.state import ServicesDep

router = APIRouter(prefix="/api", tags=["catalogue"], responses=FOREIGN_CURSOR)


class Entry(BaseModel):
    """A merchant or a category; deals are filtered by its slug."""

    slug: str
    name: str


@router.get("/merchants")
async def merchants(services: ServicesDep, part: PartQuery) -> Page[Entry]:
    """List the merchants."""
    return await _all(services.database, "merchants", part)


@router.get("/categories")
async def categories(services: ServicesDep, part: PartQuery) -> Page[Entry]:
    """List the categories."""
    return await _all(services.database, "categories", part)


async def _all(database: Database, table: str, part: Part) -> Page[Entry]:
    counted = await database.one(f"SELECT count(*) AS total FROM {table}")  # noqa: S608  one of two literals
    total = counted["total"] if counted else 0
    return await Listing("id, slug, name", table).page(
        database, Order(table, "id", "id", WHOLE, "ASC"), Page[Entry], part, total=total, params={}
    )
