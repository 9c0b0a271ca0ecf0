"""Merchants and categories: what deals are sorted into."""

from fastapi import APIRouter
from pydantic import BaseModel

from dealradar.keyset import WHOLE, Listing, Order, Page, PartQuery
from dealradar.state import ServicesDep

router = APIRouter(prefix="/api", tags=["catalogue"])


class Entry(BaseModel):
    """A merchant or a category; deals are filtered by its slug."""

    slug: str
    name: str


_MERCHANTS = Listing(Page[Entry], "id, slug, name", "merchants", "SELECT count(*) AS total FROM merchants")
_CATEGORIES = Listing(Page[Entry], "id, slug, name", "categories", "SELECT count(*) AS total FROM categories")


@router.get("/merchants")
async def merchants(services: ServicesDep, part: PartQuery) -> Page[Entry]:
    """List the merchants."""
    return await _MERCHANTS.page(services.database, Order("merchants", "id", "id", WHOLE, "ASC"), part)


@router.get("/categories")
async def categories(services: ServicesDep, part: PartQuery) -> Page[Entry]:
    """List the categories."""
    return await _CATEGORIES.page(services.database, Order("categories", "id", "id", WHOLE, "ASC"), part)
