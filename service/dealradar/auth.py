"""Bearer tokens: JWT (RFC 7519) signed with HS256, the one algorithm that is accepted (RFC 8725).

Nothing is looked up when a token is read, so it means what it says until it is over: after a logout or a change of
role an old token still works for at most LIFETIME_SECONDS. What lasts longer, the refresh token and the cookie of the
pages, is looked up in `sessions` at each use.
"""

import time
from dataclasses import dataclass
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dealradar.browser import find_browser
from dealradar.state import ServicesDep

ALGORITHM = "HS256"
ISSUER = "dealradar"
AUDIENCE = "dealradar-api"
LIFETIME_SECONDS = 900
# Instances need not agree on the time to the second.
LEEWAY_SECONDS = 5

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access_token of /api/auth/login")


@dataclass(frozen=True)
class Caller:
    """Whom a valid token, or the cookie of the pages, speaks for; `login` is the family of its sessions."""

    user_id: int
    role: str
    login: str


def issue_token(secret: str, caller: Caller) -> str:
    """A token that is good for LIFETIME_SECONDS."""
    now = int(time.time())
    claims = {
        "sub": str(caller.user_id),
        "role": caller.role,
        "sid": caller.login,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
    }
    return jwt.encode(claims, secret, ALGORITHM)


def read_token(secret: str, token: str) -> Caller | None:
    """The caller, or None if the token is not ours, not for us, or over."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "iss", "aud", "role", "sid"]},
        )
        return Caller(int(claims["sub"]), str(claims["role"]), str(claims["sid"]))
    except (jwt.PyJWTError, ValueError):
        return None


def unauthorized(detail: str, error: str = "") -> HTTPException:
    """401 with the challenge of RFC 6750."""
    challenge = 'Bearer realm="dealradar"' + (f', error="{error}"' if error else "")
    return HTTPException(401, detail, {"WWW-Authenticate": challenge})


async def _caller(
    request: Request,
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    if credentials is None:
        # For the scripts of the pages. Never for what changes something: a browser sends its cookie unasked.
        is_read = request.method == "GET" and "authorization" not in request.headers
        browser = await find_browser(request, services) if is_read else None
        if browser is not None:
            return Caller(browser.user_id, browser.role, browser.family)
        raise unauthorized("A bearer token is needed.")
    caller = read_token(services.settings.secret_key, credentials.credentials)
    if caller is None:
        raise unauthorized("The token is not valid or no longer so.", "invalid_token")
    return caller


CallerDep = Annotated[Caller, Depends(_caller)]


async def _operator(caller: CallerDep) -> Caller:
    if caller.role != "operator":
        raise HTTPException(
            403,
            "This needs the role operator.",
            {"WWW-Authenticate": 'Bearer realm="dealradar", error="insufficient_scope"'},
        )
    return caller


FOR_OPERATORS: dict[int | str, dict[str, object]] = {403: {"description": "Not an operator"}}
OperatorDep = Annotated[Caller, Depends(_operator)]
