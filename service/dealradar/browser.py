"""Logins of the pages: a cookie that leads to a row of `sessions`, and proof that a form was sent by a page of ours.

The cookie alone opens only what is read (GET). Whatever a form changes needs the form's CSRF token as well, and a
browser that says that the form came from our own origin: `FormDep` gives no fields without.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, HTTPException, Request, Response

from dealradar.sessions import LIFETIME_SECONDS, digest, end_sessions, open_session
from dealradar.settings import Settings
from dealradar.state import Services, ServicesDep

# RFC 6265bis, 4.1.3.2: a browser takes this name only if the cookie is Secure, for this host alone and for all paths.
COOKIE = "__Host-session"
CSRF_FIELD = "csrf"
MOST_FIELDS = 50

_FIND = """
    SELECT u.id AS user_id, u.role, u.display_name, s.family::text FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.token_hash = %s AND s.kind = 'browser' AND s.revoked_at IS NULL AND s.expires_at > now()
"""


@dataclass(frozen=True)
class Browser:
    """Who is logged in. The role is the one of this moment. `csrf_token` belongs into the field CSRF_FIELD of forms."""

    user_id: int
    role: str
    display_name: str
    family: str
    csrf_token: str


async def find_browser(request: Request, services: Services) -> Browser | None:
    """Whom the cookie speaks for, if it is one of ours and its session is not over."""
    secret = request.cookies.get(COOKIE, "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", secret):
        return None
    row = await services.database.one(_FIND, [digest(secret)])
    return Browser(**row, csrf_token=_csrf_token(services.settings, secret)) if row else None


async def _browser(request: Request, services: ServicesDep) -> Browser | None:
    return await find_browser(request, services)


BrowserDep = Annotated[Browser | None, Depends(_browser)]


async def open_browser(services: Services, response: Response, browser: Browser | None, user_id: int) -> None:
    """Log a user in: a new session, whose cookie the response sets. The session that was there before ends."""
    if browser is not None:
        await end_sessions(services.database, browser.user_id, browser.family)
    session = await open_session(services.database, user_id, "browser")
    _set_cookie(response, session.secret, LIFETIME_SECONDS["browser"])


async def close_browser(services: Services, response: Response, browser: Browser | None) -> None:
    """Log out: the session ends in the database, so that a copy of the cookie opens nothing either."""
    if browser is not None:
        await end_sessions(services.database, browser.user_id, browser.family)
    _set_cookie(response, "", 0)


async def _form(request: Request, services: ServicesDep, browser: BrowserDep) -> Mapping[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "A form is sent as application/x-www-form-urlencoded.")
    try:
        body = (await request.body()).decode()
        fields = dict(parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError:
        raise HTTPException(400, "The body is not a form.") from None
    require_csrf(request, services, browser, fields)
    if any("\0" in text for field in fields.items() for text in field):
        raise HTTPException(422, "A field holds U+0000.")
    return fields


FormDep = Annotated[Mapping[str, str], Depends(_form)]
"""The fields of a form that a page of ours sent; anything else is refused with 403, 400, 415 or 422."""


def require_csrf(request: Request, services: Services, browser: Browser | None, fields: Mapping[str, str]) -> None:
    """Raise 403 unless the form came from our own origin and, where somebody is logged in, holds their CSRF token.

    Without a login there is no session that could be ridden; the origin keeps other sites from logging anybody in.
    """
    if not _is_same_origin(request, services.settings):
        raise HTTPException(403, "This form was not sent by a page of this site.")
    if browser is not None and not hmac.compare_digest(
        fields.get(CSRF_FIELD, "").encode(), browser.csrf_token.encode()
    ):
        raise HTTPException(403, "The form is out of date: load the page again.")


def _csrf_token(settings: Settings, secret: str) -> str:
    return hmac.new(settings.secret_key.encode(), b"csrf:" + secret.encode(), hashlib.sha256).hexdigest()


def _is_same_origin(request: Request, settings: Settings) -> bool:
    """Browsers set both headers themselves, and at least one of them on each form; no script of a page can change them.
    The origin is ours if it is the public one or that of the host that was asked.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    public = urlsplit(settings.public_url)
    scheme = "https" if request.state.client.is_secure else "http"
    ours = {f"{public.scheme}://{public.netloc}", f"{scheme}://{request.headers.get('host', '')}"}
    return (site or origin) is not None and site in {None, "same-origin"} and (origin is None or origin in ours)


def _set_cookie(response: Response, value: str, seconds: int) -> None:
    response.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
