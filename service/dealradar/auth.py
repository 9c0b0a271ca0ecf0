"""Bearer tokens: JWT (RFC 7519) signed with HS256, the one algorithm that is accepted (RFC 8725)."""

import time
from dataclasses import dataclass
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dealradar.state import ServicesDep

ALGORITHM = "HS256"
ISSUER = "dealradar"
AUDIENCE = "dealradar-api"
LIFETIME_SECONDS = 1_800

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access_token of /api/auth/login")


@dataclass(frozen=True)
class Caller:
    """Whom a valid token speaks for."""

    user_id: int
    role: str


def issue_token(secret: str, user_id: int, role: str) -> str:
    """A token that is good for LIFETIME_SECONDS."""
    now = int(time.time())
    claims = {
        "sub": str(user_id),
        "role": role,
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
            options={"require": ["exp", "iat", "sub", "iss", "aud"]},
        )
        return Caller(int(claims["sub"]), str(claims["role"]))
    except (jwt.PyJWTError, KeyError, ValueError):
        return None


def unauthorized(detail: str, error: str = "") -> HTTPException:
    """401 with the challenge of RFC 6750."""
    challenge = 'Bearer realm="dealradar"' + (f', error="{error}"' if error else "")
    return HTTPException(401, detail, {"WWW-Authenticate": challenge})


def _caller(
    services: ServicesDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    if credentials is None:
        raise unauthorized("A bearer token is needed.")
    caller = read_token(services.settings.secret_key, credentials.credentials)
    if caller is None:
        raise unauthorized("The token is not valid or no longer so.", "invalid_token")
    return caller


CallerDep = Annotated[Caller, Depends(_caller)]


def _operator(caller: CallerDep) -> Caller:
    if caller.role != "operator":
        raise HTTPException(
            403,
            "This needs the role operator.",
            {"WWW-Authenticate": 'Bearer realm="dealradar", error="insufficient_scope"'},
        )
    return caller


OperatorDep = Annotated[Caller, Depends(_operator)]
