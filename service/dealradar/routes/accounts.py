"""Accounts: registering, logging in and out, and asking who one is."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from psycopg.errors import UniqueViolation
from pydantic import BaseModel, StringConstraints

from dealradar.auth import LIFETIME_SECONDS, Caller, CallerDep, issue_token, unauthorized
from dealradar.logins import check_login
from dealradar.passwords import hash_password
from dealradar.schemas import NO_NUL, Input
from dealradar.sessions import Session, end_sessions, open_session, refresh
from dealradar.state import SWITCHED_OFF, Services, ServicesDep, demand_flag

router = APIRouter(prefix="/api/auth", tags=["auth"])

Role = Literal["user", "operator"]
# What HTML's <input type="email"> takes, with a bound on the length (RFC 5321, 4.5.3.1): safe in the header of a mail.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*$"
# One line with something to see.
_NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u3000\ufeff][^\x00-\x1f\x7f]*$"


class Registration(Input):
    """A new account. Case does not matter in the address."""

    email: Annotated[str, StringConstraints(max_length=254, pattern=_ADDRESS)]
    display_name: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=_NAME)]
    password: Annotated[str, StringConstraints(min_length=10, max_length=200)]


class Login(Input):
    """Who wants in."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=NO_NUL)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Refresh(Input):
    """A refresh token, which is used up by this."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Logout(Input):
    """`everywhere`: end all logins of the account, those of browsers too, not only the one that the token is from."""

    everywhere: bool = False


class Token(BaseModel):
    """A bearer token, the refresh token that gets the next one, and how many seconds each is good for."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    role: Role


class Me(BaseModel):
    """The caller's own account."""

    id: int
    email: str
    display_name: str
    role: Role


@router.post(
    "/register",
    status_code=201,
    responses={**SWITCHED_OFF, 409: {"description": "The address has an account already"}},
)
async def register(services: ServicesDep, given: Registration, response: Response) -> Me:
    """Make an account with the role user."""
    await demand_flag(services, "registration")
    hashed = await hash_password(given.password)
    try:
        row = await services.database.one(
            "INSERT INTO users (email, display_name, password_hash) VALUES (%s, %s, %s)"
            " RETURNING id, email, display_name, role",
            [given.email.lower(), given.display_name, hashed],
        )
    except UniqueViolation:
        raise HTTPException(409, "There is an account with this address already.") from None
    response.headers["Location"] = "/api/auth/me"
    return Me.model_validate(row)


@router.post("/login", responses={401: {"description": "Wrong e-mail address or password"}})
async def login(request: Request, services: ServicesDep, given: Login) -> Token:
    """Exchange an e-mail address and a password for tokens. It is not told which of the two was wrong."""
    user = await check_login(services, request.state.client.address, given.email, given.password)
    if user is None:
        raise unauthorized("The e-mail address or the password is wrong.")
    session = await open_session(services.database, user["id"], "refresh")
    return _token(services, session, user["id"], user["role"])


@router.post("/refresh", responses={401: {"description": "No valid refresh token"}})
async def renew(services: ServicesDep, given: Refresh) -> Token:
    """Exchange a refresh token for new tokens. One that comes a second time ends its login."""
    renewed = await refresh(services.database, given.refresh_token)
    if renewed is None:
        raise unauthorized("The refresh token is not valid or no longer so.", "invalid_token")
    session, user = renewed
    return _token(services, session, user["id"], user["role"])


@router.post("/logout", status_code=204)
async def logout(services: ServicesDep, caller: CallerDep, given: Logout) -> None:
    """End the login: its refresh token is void. Bearer tokens given out before end by themselves, in minutes."""
    await end_sessions(services.database, caller.user_id, None if given.everywhere else caller.login)


@router.get("/me")
async def me(services: ServicesDep, caller: CallerDep) -> Me:
    """The account that the token speaks for."""
    row = await services.database.one("SELECT id, email, display_name, role FROM users WHERE id = %s", [caller.user_id])
    if row is None:
        raise unauthorized("The account is gone.", "invalid_token")
    return Me(**row)


def _token(services: Services, session: Session, user_id: int, role: Role) -> Token:
    return Token(
        access_token=issue_token(services.settings.secret_key, Caller(user_id, role, session.family)),
        token_type="bearer",  # noqa: S106  a scheme
        expires_in=LIFETIME_SECONDS,
        refresh_token=session.secret,
        refresh_expires_in=session.expires_in,
        role=role,
    )
