"""The one HTML page, rendered on the server, and the files that it needs."""

import mimetypes
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dealradar.money import euro
from dealradar.routes.deals import DealQuery, list_deals
from dealradar.state import ServicesDep

PACKAGE = Path(__file__).resolve().parent
DEALS_ON_PAGE = 60

router = APIRouter(include_in_schema=False)
# The few files are read once: a request can name no other, and none touches the disk.
_FILES = {path.name: path.read_bytes() for path in (PACKAGE / "static").iterdir() if path.is_file()}
_TEMPLATES = Environment(loader=FileSystemLoader(PACKAGE / "templates"), autoescape=True, undefined=StrictUndefined)


_TEMPLATES.filters["euro"] = euro


@router.get("/")
async def home(services: ServicesDep) -> Response:
    """The newest deals."""
    found = await list_deals(services.database, DealQuery(limit=DEALS_ON_PAGE))
    page = _TEMPLATES.get_template("deals.html").render(deals=found.items, total=found.total)
    return HTMLResponse(page, headers={"Cache-Control": "no-cache"})


@router.get("/deals")
async def deals() -> Response:
    """The list's other name."""
    return RedirectResponse("/", 307)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Where browsers look when a page names no icon."""
    return RedirectResponse("/static/favicon.svg", 308, {"Cache-Control": "public, max-age=3600"})


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """A style sheet, a script or a picture."""
    content = _FILES.get(name)
    if content is None:
        raise HTTPException(404, "There is no such file.")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(content, media_type=media_type, headers={"Cache-Control": "public, max-age=3600"})
