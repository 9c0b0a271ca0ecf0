"""The pages for people, rendered on the server out of what the routes of the API return, and the files they need."""

import mimetypes
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ValidationError

from dealradar.auth import Caller
from dealradar.browser import Browser, BrowserDep, FormDep, close_browser, open_browser
from dealradar.keyset import Part
from dealradar.logins import check_login
from dealradar.money import cents_of
from dealradar.rendering import FILES, is_version, render
from dealradar.routes import catalogue, comments, deals, reviews, watching
from dealradar.schemas import Id
from dealradar.state import ServicesDep

router = APIRouter(include_in_schema=False)
Query = TypeVar("Query", bound=BaseModel)

# A path on this site and nothing that a browser could take for another: it reads `\` as `/` and drops tabs and breaks.
_INSIDE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,500}")
PICTURE_WIDTH, PICTURE_HEIGHT = 600, 120


@router.get("/")
async def home(request: Request, services: ServicesDep, browser: BrowserDep) -> Response:
    """The deals, searched and sorted by the fields of the form."""
    wanted = _query(deals.DealQuery, {"limit": "24", **request.query_params})
    found = await deals.list_deals(services.database, wanted)
    filled = {name: text for name, text in request.query_params.items() if text and name != "cursor"}
    return _show(
        request,
        browser,
        "deals.html",
        wanted=wanted,
        deals=found,
        heading="Deals" if filled else "Newest deals",
        categories=(await catalogue.categories(services, Part(limit=100))).items,
        next_part="/?" + urlencode({**filled, "cursor": found.next}),
    )


@router.get("/deals")
async def all_deals() -> Response:
    """The list's other name."""
    return RedirectResponse("/", 307)


@router.get("/deals/{deal_id}")
async def deal(request: Request, services: ServicesDep, browser: BrowserDep, deal_id: Id) -> Response:
    """One deal with its prices, and with what people say: the most helpful reviews, the newest comments."""
    asked = request.query_params
    of_reviews = _query(reviews.ReviewQuery, {"cursor": asked.get("reviews", ""), "sort": "helpful", "limit": "10"})
    of_comments = _query(Part, {"cursor": asked.get("comments", ""), "limit": "50"})
    found = await deals.read(services, deal_id)
    prices = (await deals.prices(services, deal_id, Part(limit=100))).items
    said = await comments.of_deal(services, deal_id, of_comments)
    shown = {comment.id for comment in said.items}
    answers = defaultdict(list)
    for comment in reversed(said.items):
        answers[comment.parent_id if comment.parent_id in shown else None].append(comment)
    return _show(
        request,
        browser,
        "deal.html",
        deal=found,
        prices=prices,
        chart=_chart(prices) if prices else None,
        reviews=await reviews.of_deal(services, deal_id, of_reviews),
        comments=said,
        threads=answers[None][::-1],
        answers=answers,
    )


@router.get("/login")
async def login_form(request: Request, browser: BrowserDep) -> Response:
    """The form to log in; whoever is logged in goes on at once."""
    target = _inside(request.query_params.get("next", ""))
    if browser is not None:
        return RedirectResponse(target, 303)
    return _show(request, None, "login.html", next=target, email="", refused=False)


@router.post("/login")
async def log_in(request: Request, services: ServicesDep, browser: BrowserDep, fields: FormDep) -> Response:
    """Open a session and go on to where the browser wanted."""
    target, email = _inside(fields.get("next", "")), fields.get("email", "")
    user = await check_login(services, request.state.client.address, email, fields.get("password", ""))
    if user is None:
        # Not 401: that demands a scheme of HTTP's own (RFC 9110, 15.5.2), and a form is none.
        return _show(request, browser, "login.html", status=403, next=target, email=email, refused=True)
    answer = RedirectResponse(target, 303)
    await open_browser(services, answer, browser, user["id"])
    return answer


@router.post("/logout")
async def log_out(services: ServicesDep, browser: BrowserDep, _: FormDep) -> Response:
    """End the session."""
    answer = RedirectResponse("/", 303)
    await close_browser(services, answer, browser)
    return answer


@router.get("/alerts")
async def alerts(request: Request, services: ServicesDep, browser: BrowserDep) -> Response:
    """The prices that the user waits for."""
    if browser is None:
        return _to_login("/alerts")
    found = await watching.alerts(services, _caller(browser), _query(Part, request.query_params))
    told = await watching.preferences(services, _caller(browser))
    return _show(request, browser, "alerts.html", alerts=found, preferences=told.model_dump())


@router.post("/preferences")
async def prefer(services: ServicesDep, browser: BrowserDep, fields: FormDep) -> Response:
    """Choose of what to be told by mail: the boxes that are ticked."""
    if browser is None:
        return _to_login("/alerts")
    ticked = {name: name in fields for name in watching.Preferences.model_fields}
    await watching.prefer(services, _caller(browser), watching.Preferences(**ticked))
    return RedirectResponse("/alerts", 303)


@router.post("/alerts/{deal_id}")
async def set_alert(services: ServicesDep, browser: BrowserDep, fields: FormDep, deal_id: Id) -> Response:
    """Wait for a price."""
    if browser is None:
        return _to_login(f"/deals/{deal_id}")
    target = cents_of(fields.get("target", ""))
    if target is None:
        raise HTTPException(422, "The price is no amount such as 12.50.")
    await watching.set_alert(services, _caller(browser), deal_id, watching.Target(target_cents=target))
    return RedirectResponse("/alerts", 303)


@router.post("/alerts/{deal_id}/remove")
async def remove_alert(services: ServicesDep, browser: BrowserDep, _: FormDep, deal_id: Id) -> Response:
    """Wait no longer."""
    if browser is None:
        return _to_login("/alerts")
    await watching.remove_alert(services, _caller(browser), deal_id)
    return RedirectResponse("/alerts", 303)


@router.get("/dashboard")
async def dashboard(request: Request, browser: BrowserDep) -> Response:
    """The frame of the charts; a script fills it from the metrics endpoints."""
    if browser is None:
        return _to_login("/dashboard")
    if browser.role != "operator":
        raise HTTPException(403, "This page is for operators.")
    return _show(request, browser, "dashboard.html")


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Where browsers look when a page names no icon."""
    return RedirectResponse("/static/favicon.svg", 308, {"Cache-Control": "public, max-age=3600"})


@router.get("/static/{name}")
async def static(name: str, v: str | None = None) -> Response:
    """A style sheet, a script or a picture."""
    content = FILES.get(name)
    if content is None:
        raise HTTPException(404, "There is no such file.")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kept = "max-age=31536000, immutable" if is_version(name, v) else "max-age=3600"
    return Response(content, media_type=media_type, headers={"Cache-Control": f"public, {kept}"})


def _show(request: Request, browser: Browser | None, name: str, *, status: int = 200, **values: object) -> Response:
    """A page. What is made for one account is kept by nobody."""
    content = render(name, browser=browser, here=request.url.path, **values)
    return HTMLResponse(content, status, {"Cache-Control": "no-cache" if browser is None else "no-store"})


def _query(shape: type[Query], given: Mapping[str, str]) -> Query:
    """A query of the API out of that of a page, where a field that was left empty says nothing."""
    try:
        return shape.model_validate({name: text for name, text in given.items() if text})
    except ValidationError as error:
        wrong = [{**item, "loc": ("query", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(wrong) from None


def _inside(target: str) -> str:
    return target if _INSIDE.fullmatch(target) else "/"


def _to_login(target: str) -> Response:
    return RedirectResponse("/login?" + urlencode({"next": target}), 303)


def _caller(browser: Browser) -> Caller:
    return Caller(browser.user_id, browser.role, browser.family)


def _chart(prices: Sequence[deals.Price]) -> dict[str, object]:
    """The prices, newest first, as steps from left to right, each of one width whatever time it lasted."""
    low, high = (extreme(price.price_cents for price in prices) for extreme in (min, max))
    points = []
    for step, price in enumerate(reversed(prices)):
        y = PICTURE_HEIGHT * (0.9 - 0.8 * (price.price_cents - low) / (high - low or 1))
        points += [f"{PICTURE_WIDTH * at / len(prices):.1f},{y:.1f}" for at in (step, step + 1)]
    return {"low": low, "high": high, "points": " ".join(points)}
