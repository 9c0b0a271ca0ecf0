"""Logging in, and asking who one is."""

from fastapi import APIRouter

from dealradar.auth import LIFETIME_SECONDS, CallerDep, issue_token, unauthorized
from dealradar.passwords import verify_password
from dealradar.schemas import Login, Me, Token
from dealradar.state import ServicesDep

router = APIRouter(prefix="/api/auth", tags=["auth"])


@router.post("/login", responses={401: {"description": "Wrong e-mail address or password"}})
async def login(services: ServicesDep, given: Login) -> Token:
    """Exchange an e-mail address and a password for a token. It is not told which of the two was wrong."""
    row = await services.database.one(
        "SELECT id, role, password_hash FROM users WHERE email = %s", [given.email.lower()]
    )
    if not await verify_password(given.password, row["password_hash"] if row else None) or row is None:
        raise unauthorized("The e-mail address or the password is wrong.")
    token = issue_token(services.settings.secret_key, row["id"], row["role"])
    return Token(access_token=token, token_type="bearer", expires_in=LIFETIME_SECONDS, role=row["role"])  # noqa: S106  a scheme


@router.get("/me", responses={401: {"description": "No valid token"}})
async def me(services: ServicesDep, caller: CallerDep) -> Me:
    """The account that the token speaks for."""
    row = await services.database.one("SELECT id, email, display_name, role FROM users WHERE id = %s", [caller.user_id])
    if row is None:
        raise unauthorized("The account is gone.", "invalid_token")
    return Me(**row)
