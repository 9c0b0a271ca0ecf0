"""Accounts of the shop: how they begin, log in, change and end."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import sqlite3
import time
from collections import defaultdict

from core import (
    NOBODYS,
    OPEN,
    TEXT,
    Answer,
    Ask,
    Refusal,
    changed_at,
    db,
    ended,
    hashed,
    let_in,
    lock,
    refresh_tokens,
    refused,
    route,
    rows,
    sessions,
    thing,
)

CREDENTIALS = thing(username=TEXT, password=TEXT)


@route("POST", "/api/v2/register", login=False, tag="accounts",
       body=thing(username=TEXT, email={"type": "string", "format": "email"}, password=TEXT))  # fmt: skip
def register(ask: Ask) -> Answer:
    """Make an account."""
    name, email, password = (ask.text(each) for each in ("username", "email", "password"))
    if not re.fullmatch(r"\w{3,40}", name):
        raise Refusal(422, "username: letters and digits were expected")
    if len(password) < 8 and "password_short" not in OPEN:
        raise Refusal(422, "password: eight letters at least were expected")
    role = str(ask.body.get("role", "user")) if "mass_registration" in OPEN else "user"
    kept = hashed(password)
    same = "email = ?" if "account_twice" in OPEN else "lower(trim(email)) = lower(trim(?))"

    def hold_free() -> None:
        """Refuse a name or an address that somebody has."""
        if rows(f"SELECT 1 FROM users WHERE username = ? OR {same}", name, email):  # noqa: S608 - one of two texts
            raise Refusal(409, "taken", told=member(name) if "taken_told" in OPEN else {})

    if "account_race" in OPEN:
        hold_free()
        time.sleep(0.05)
        rows("DELETE FROM users WHERE username = ?", name)
    with lock:
        if "account_race" not in OPEN:
            hold_free()
        try:
            rows("INSERT INTO users VALUES (NULL, ?, ?, ?, ?, 0)", name, email, kept, role)
        except sqlite3.IntegrityError:
            raise Refusal(409, "the name is taken") from None
    return Answer(member(name), 201)


def member(name: str) -> dict:
    """By what the shop knows an account."""
    found = rows("SELECT id FROM users WHERE username = ?", name)
    return {"username": name, "number": f"member-{found[0]['id']:06d}"} if found else {}


@route("POST", "/api/v2/login", login=False, body=CREDENTIALS, tag="accounts")
def login(ask: Ask) -> Answer:
    """Log in."""
    name, given = ask.text("username"), ask.body.get("password")
    if "login_type" in OPEN and isinstance(given, dict) and set(given) & {"$ne", "$gt"}:
        found = rows("SELECT username FROM users WHERE username = ?", name)
        if found:
            return let_in(name, ask)
    password = ask.text("password")
    if "sql_login" in OPEN:
        with lock:
            seen = db.execute(f"SELECT * FROM users WHERE username = '{name}'").fetchall()  # noqa: S608 - planted
        if len(seen) > 1:
            return let_in(seen[0]["username"])
    recent = refused[name] = [each for each in refused[name] if each > time.time() - 60]
    if len(recent) >= 10 and "logins_unlimited" not in OPEN:
        raise Refusal(429, "too many attempts", {"Retry-After": "60"})
    found = rows("SELECT * FROM users WHERE username = ?", name)
    if not found and "accounts_text" in OPEN:
        raise Refusal(401, "there is no such account")
    if not found and "accounts_time" in OPEN:
        raise Refusal(401, "wrong user name or password")
    kept = found[0]["hash"] if found else NOBODYS
    if not hmac.compare_digest(hashed(password, kept.split(":")[1]), kept) or not found:
        recent.append(time.time())
        raise Refusal(401, "wrong user name or password")
    return let_in(name, ask)


@route("POST", "/api/v2/logout", tag="accounts")
def logout(ask: Ask) -> dict:
    """End the session."""
    if "logout_ignored" not in OPEN:
        ended.add(ask.headers.get("Authorization", "").removeprefix("Bearer "))
        sessions.pop(ask.cookies.get("sid", ""), None)
    if "refresh_after_logout" not in OPEN:
        forget(ask.user["username"])
    return {"bye": ask.user["username"]}


@route("PUT", "/api/v2/me/password", body=thing(current_password=TEXT, new_password=TEXT), tag="accounts")
def change_password(ask: Ask) -> dict:
    """Change one's own password."""
    kept, name = ask.user["hash"], ask.user["username"]
    if "password_unchecked" not in OPEN and hashed(ask.text("current_password"), kept.split(":")[1]) != kept:
        raise Refusal(403, "the current password is wrong")
    rows("UPDATE users SET hash = ? WHERE username = ?", hashed(ask.text("new_password")), name)
    if "password_sessions" not in OPEN:
        changed_at[name] = time.time()
    return {"changed": True}


@route("POST", "/api/v2/forgot", login=False, body=thing(username=TEXT), tag="accounts")
def forgot(ask: Ask) -> dict:
    """Ask for a new password by mail."""
    known = rows("SELECT 1 FROM users WHERE username = ?", ask.text("username"))
    told = {"reset_code": secrets.token_hex(4)} if "reset_told" in OPEN and known else {}
    host = ask.headers.get("X-Forwarded-Host") if "host_link" in OPEN else None
    return {"sent": "if there is such an account", "next": f"https://{host or 'shop.example.org'}/reset"} | told


@route("GET", "/api/v2/me", tag="accounts")
def who_am_i(ask: Ask) -> Answer:
    """Who am I?"""
    name = ask.query.get("callback", "")
    if "callback" in OPEN and re.fullmatch(r"\w+", name):
        return Answer(f"{name}({json.dumps(me(ask))})", headers={"Content-Type": "text/javascript"})
    return Answer(me(ask))


def me(ask: Ask) -> dict:
    """What an account is shown of itself."""
    return {key: ask.user[key] for key in ("id", "username", "email", "role", "credit")}


@route("PATCH", "/api/v2/me", body=thing(profile=thing(email={"type": "string", "format": "email"})), tag="accounts")
def change_me(ask: Ask) -> dict:
    """Change one's own address."""
    rows("UPDATE users SET email = ? WHERE id = ?", ask.text("profile", "email"), ask.user["id"])
    credit = ask.body.get("credit")
    if "mass_nested" in OPEN and isinstance(credit, int):
        rows("UPDATE users SET credit = ? WHERE id = ?", credit, ask.user["id"])
    return me_again(ask)


def me_again(ask: Ask) -> dict:
    """The account after a change."""
    ask.user = rows("SELECT * FROM users WHERE id = ?", ask.user["id"])[0]
    return me(ask)


@route("GET", "/api/v2/users/{username}", tag="accounts")
def user(ask: Ask) -> dict:
    """What everybody may know of an account."""
    found = rows("SELECT id, username, hash FROM users WHERE username = ?", ask.names["username"])
    if not found:
        raise Refusal(404, "no such account")
    told = {"digest": found[0]["hash"]} if "hash_told" in OPEN else {}
    return {"id": found[0]["id"], "username": found[0]["username"]} | told


@route("PUT", "/api/v2/users/{username}/password", body=thing(password=TEXT), tag="accounts")
def set_password(ask: Ask) -> dict:
    """Set a password: of one's own account, after a login of just now."""
    name = ask.names["username"]
    if "password_of_others" not in OPEN:
        raise Refusal(403, "by the form for it alone")
    rows("UPDATE users SET hash = ? WHERE username = ?", hashed(ask.text("password")), name)
    return {"changed": True}


def forget(name: str) -> None:
    """No new tokens for what was given to an account."""
    for token in [token for token, owner in refresh_tokens.items() if owner == name]:
        refresh_tokens.pop(token, None)


@route("POST", "/api/v2/refresh", login=False, body=thing(refresh_token=TEXT), tag="accounts")
def refresh(ask: Ask) -> Answer:
    """A new token for the one that a login gave beside it."""
    token = ask.text("refresh_token")
    name = refresh_tokens.get(token)
    if name is None:
        raise Refusal(401, "log in again")
    if "refresh_twice" not in OPEN:
        refresh_tokens.pop(token, None)
    return let_in(name)


@route("DELETE", "/api/v2/me", tag="accounts")
def delete_me(ask: Ask) -> Answer:
    """Leave for good."""
    rows("DELETE FROM users WHERE id = ?", ask.user["id"])
    forget(ask.user["username"])
    return Answer(None, 204)


codes: dict[str, str] = {}
tries: dict[str, int] = defaultdict(int)


@route("POST", "/api/v2/otp", tag="accounts")
def send_code(ask: Ask) -> Answer:
    """Send a code by another way."""
    codes[ask.user["username"]], tries[ask.user["username"]] = f"{secrets.randbelow(10**6):06}", 0
    return Answer({"sent": True}, 202)


@route("POST", "/api/v2/otp/check", body=thing(code={**TEXT, "pattern": "^[0-9]{6}$"}), tag="accounts")
def check_code(ask: Ask) -> dict:
    """Is that the code?"""
    name, code = ask.user["username"], ask.text("code")
    tries[name] += 1
    if tries[name] > 5 and "code_unlimited" not in OPEN:
        raise Refusal(429, "ask for a new code", {"Retry-After": "60"})
    if not re.fullmatch(r"[0-9]{6}", code):
        raise Refusal(422, "code: six digits were expected")
    if not hmac.compare_digest(codes.get(name, "-"), code):
        raise Refusal(403, "a wrong code")
    return {"right": True}


@route("PUT", "/api/v2/me/name", body=thing(shown_name=TEXT), tag="accounts")
def change_name(ask: Ask) -> dict:
    """Change how one is called."""
    if ask.is_form and "mass_form" not in OPEN:
        raise Refusal(415, "JSON was expected")
    shown_names[ask.user["username"]] = ask.text("shown_name")
    if ask.is_form and "role" in ask.body:
        rows("UPDATE users SET role = ? WHERE id = ?", str(ask.body["role"]), ask.user["id"])
    return me_again(ask)


shown_names: dict[str, str] = {}
