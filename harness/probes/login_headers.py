"""What a request of an account carries, in each way that a service may want it.

A bearer token (RFC 6750), user name and password (RFC 7617), a key in a header, or the cookies of a session (RFC 6265).
"""

from __future__ import annotations

import base64

from harness.model import StackInfo, Target
from harness.probes.exchange import Exchange
from harness.probes.http import RecordingClient
from harness.probes.login import account_of, client_of, fill_body, log_in
from harness.probes.page_parts import read_parts


def login_headers(target: Target, info: StackInfo, role: str) -> dict[str, str]:
    """Headers of a request as that role. Raises `AssertionError` where the service refuses the profile's account."""
    auth = target.auth
    username, password = account_of(target, info, role)
    match auth.kind:
        case "basic":
            pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
            return {auth.header or "Authorization": f"Basic {pair}"}
        case "key":
            return {auth.header or "X-API-Key": password}
        case "cookie":
            return {"Cookie": _session(target, info, role)}
    return {auth.header or "Authorization": f"{auth.prefix} {log_in(target, info, role)}".strip()}


def _session(target: Target, info: StackInfo, role: str) -> str:
    """The cookies of a login. Where a form is sent its page is asked for first: it may hold a token against CSRF."""
    auth = target.auth
    body = fill_body(target, info, role)
    with client_of(target, info) as client:
        if auth.form:
            shown = read_parts(client.exchange("GET", auth.login).text).login
            hidden = shown.hidden if shown is not None else {}
            own = {"Referer": f"{info.url}{auth.login}", "Origin": info.url}
            if _cookies(client):
                # by hand: a service with TLS in front of it marks them Secure, and is asked past its proxy here
                own["Cookie"] = _cookies(client)
            answer = client.exchange("POST", auth.login, data={**hidden, **body}, headers=own)
        else:
            answer = client.exchange("POST", auth.login, json=body)
        cookies = _cookies(client)
    if answer.status >= 400 or not answer.header_lines("Set-Cookie") or _asks_again(answer):
        raise AssertionError(
            f"login as {role}: expected the cookie of a session from POST {auth.login}, got status {answer.status}"
            + (" and the form again" if _asks_again(answer) else "")
        )
    return cookies


def _cookies(client: RecordingClient) -> str:
    return "; ".join(f"{cookie.name}={cookie.value or ''}" for cookie in client.cookies.jar)


def _asks_again(answer: Exchange) -> bool:
    is_page = answer.status == 200 and "html" in (answer.header("Content-Type") or "")
    return is_page and read_parts(answer.text).login is not None
