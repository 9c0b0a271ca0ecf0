"""Accounts: who gets in, how long a login lasts, and what ends it."""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from dealradar.passwords import verify_password

from tests.dealradar_process import OPERATOR, PASSWORD, USER, Running, eventually

SECRET = "correct horse battery"


def _register(client: httpx.Client, email: str, password: str = SECRET) -> httpx.Response:
    return client.post("/api/auth/register", json={"email": email, "display_name": "Someone", "password": password})


def _login(client: httpx.Client, email: str = USER, password: str = PASSWORD) -> httpx.Response:
    return client.post("/api/auth/login", json={"email": email, "password": password})


def _refresh(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/api/auth/refresh", json={"refresh_token": token})


def _logout(client: httpx.Client, access_token: str, **body) -> httpx.Response:
    return client.post("/api/auth/logout", json=body, headers={"Authorization": f"Bearer {access_token}"})


def _me(client: httpx.Client, access_token: str) -> httpx.Response:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {access_token}"})


def test_who_registers_can_log_in_whatever_the_case(service):
    client = service.client()
    made = _register(client, "New.One@Example.test")
    assert made.status_code == 201
    assert made.json()["email"] == "new.one@example.test"
    assert made.json()["role"] == "user"
    tokens = _login(client, "nEW.oNE@example.TEST", SECRET).json()
    assert _me(client, tokens["access_token"]).json() == made.json()


def test_an_address_has_one_account_however_many_ask_at_once(service, db):
    def ask(number: int) -> int:
        return _register(service.client(), "Twin@example.test" if number % 2 else "twin@example.test").status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == [201] + [409] * 7
    assert db.execute("SELECT count(*) FROM users WHERE email = 'twin@example.test'").fetchone() == (1,)


NO_ACCOUNTS = (
    {"password": "nine char"},
    {"password": "x" * 201},
    {"password": 1234567890},
    {"password": "\ud800 and more than ten"},
    {"email": "no-at-sign"},
    {"email": "two@at@signs.test"},
    {"email": "a\r\nBcc: b@x.test@x.test"},
    {"email": "Name <a@x.test>"},
    {"email": "a@" + "x" * 64 + ".test"},
    {"email": "a" * 65 + "@x.test"},
    {"email": "\u212a@x.test"},
    {"display_name": ""},
    {"display_name": " \u200b "},
    {"display_name": "two\nlines"},
    {"display_name": "x" * 81},
    {"role": "operator"},
)


def test_what_is_no_account_is_422(service, db):
    client = service.client()
    before = db.execute("SELECT count(*) FROM users").fetchone()
    wrong = []
    for changes in NO_ACCOUNTS:
        body = json.dumps({"email": "a@x.test", "display_name": "Someone", "password": SECRET, **changes})
        answer = client.post("/api/auth/register", content=body, headers={"Content-Type": "application/json"})
        if answer.status_code != 422 or answer.headers["content-type"] != "application/problem+json":
            wrong.append((changes, answer.status_code))
    assert wrong == []
    assert db.execute("SELECT count(*) FROM users").fetchone() == before


def test_what_is_stored_opens_nothing(service, db):
    client = service.client()
    _register(client, "a@x.test")
    tokens = _login(client, "a@x.test", SECRET).json()
    (hashed,) = db.execute("SELECT password_hash FROM users WHERE email = 'a@x.test'").fetchone()
    assert hashed.startswith("$argon2id$")
    (token_hash,) = db.execute("SELECT token_hash FROM sessions ORDER BY id DESC LIMIT 1").fetchone()
    assert len(token_hash) == 32
    assert _refresh(client, token_hash.hex()).status_code == 401
    assert tokens["refresh_token"].encode() != token_hash


def test_a_refresh_token_is_good_once_and_no_longer_than_the_login(service, db):
    client = service.client()
    first = _login(client).json()
    expires = "SELECT DISTINCT expires_at FROM sessions"
    (until,) = db.execute(expires).fetchone()
    second = _refresh(client, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert _me(client, second["access_token"]).json()["email"] == USER
    assert 0 < second["refresh_expires_in"] <= first["refresh_expires_in"]
    assert db.execute(expires).fetchall() == [(until,)]


def test_a_refresh_token_that_comes_again_ends_its_login_and_no_other(service):
    client = service.client()
    other = _login(client).json()
    first = _login(client).json()
    second = _refresh(client, first["refresh_token"]).json()
    assert _refresh(client, first["refresh_token"]).status_code == 401
    assert _refresh(client, second["refresh_token"]).status_code == 401
    assert _refresh(client, other["refresh_token"]).status_code == 200
    assert "came twice" in service.log()


def test_of_many_who_refresh_at_once_one_wins_and_the_login_ends(start):
    instances = [start(), start()]
    first = _login(instances[0].client()).json()
    gate = threading.Barrier(8)

    def use(number: int) -> httpx.Response:
        client = instances[number % 2].client()
        gate.wait()
        return _refresh(client, first["refresh_token"])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(use, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert _refresh(instances[1].client(), winner["refresh_token"]).status_code == 401


def test_a_logout_leaves_no_successor_of_a_refresh_that_runs_meanwhile(start, db):
    instances = [start(), start()]
    clients = [instance.client() for instance in instances]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(25):
            tokens = _login(clients[0]).json()
            refreshed = pool.submit(_refresh, clients[1], tokens["refresh_token"])
            assert _logout(clients[0], tokens["access_token"]).status_code == 204
            refreshed.result()
            living = "SELECT count(*) FROM sessions WHERE used_at IS NULL AND revoked_at IS NULL"
            assert db.execute(living).fetchone() == (0,)


def test_a_logout_ends_one_login_and_everywhere_ends_all(service, browser_cookie):
    client = service.client()
    one, two, three = (_login(client).json() for _ in range(3))
    stranger = _login(client, OPERATOR).json()
    cookie = browser_cookie(USER)
    assert _logout(client, one["access_token"]).status_code == 204
    assert _refresh(client, one["refresh_token"]).status_code == 401
    two = _refresh(client, two["refresh_token"]).json()
    assert client.get("/api/auth/me", headers=cookie).status_code == 200
    assert _logout(client, two["access_token"], everywhere=True).status_code == 204
    for ended in (two, three):
        assert _refresh(client, ended["refresh_token"]).status_code == 401
    assert client.get("/api/auth/me", headers=cookie).status_code == 401
    assert _refresh(client, stranger["refresh_token"]).status_code == 200


def test_a_login_that_is_over_is_not_refreshed(service, db):
    client = service.client()
    tokens = _login(client).json()
    db.execute("UPDATE sessions SET expires_at = now()")
    assert _refresh(client, tokens["refresh_token"]).status_code == 401


def test_a_new_role_counts_from_the_next_refresh(service, db):
    client = service.client()
    tokens = _login(client, OPERATOR).json()
    db.execute("UPDATE users SET role = 'user' WHERE email = %s", [OPERATOR])
    renewed = _refresh(client, tokens["refresh_token"]).json()
    assert renewed["role"] == "user"
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    assert client.get("/api/metrics/overview", headers=headers).status_code == 403


def test_a_malformed_refresh_token_is_the_clients_fault(service):
    client = service.client()
    tokens = ("", "x", "\u00e9" * 43, "\0", "x" * 201, "x" * 60_000, 7, None, [])
    answers = [_refresh(client, token).status_code for token in tokens]
    assert answers == [422, 401, 401, 401, 422, 422, 422, 422, 422]


def test_guessing_is_stopped_for_one_account_and_one_client(service):
    guesser = service.client()
    for _ in range(10):
        assert _login(guesser, password="wrong guess").status_code == 401
    refused = _login(guesser)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert refused.headers["content-type"] == "application/problem+json"
    assert _login(guesser, OPERATOR).status_code == 200
    assert _login(service.client()).status_code == 200


def test_many_guesses_at_once_get_no_more_answers_than_one_after_the_other(service):
    guesser = service.client()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: _login(guesser, password="wrong guess").status_code, range(30)))
    assert sorted(answers) == [401] * 10 + [429] * 20


def test_the_right_password_forgives_the_wrong_ones(service):
    client = service.client()
    for _ in range(3):
        for _ in range(9):
            assert _login(client, password="wrong guess").status_code == 401
        assert _login(client).status_code == 200


def test_logins_go_on_without_valkey(start):
    service = start("serve", REDIS_URL="redis://127.0.0.1:1/0", wait=False)
    _wait_until_alive(service)
    client = service.client()
    assert [_login(client, password="wrong guess").status_code for _ in range(12)] == [401] * 12
    assert _login(client).status_code == 200


def test_an_unknown_account_takes_as_long_as_a_known_one(service):
    def seconds(email: str) -> float:
        client = service.client()
        begun = time.perf_counter()
        assert _login(client, email, "wrong guess").status_code == 401
        return time.perf_counter() - begun

    seconds("warm@x.test")
    taken = [(seconds(USER), seconds("nobody@x.test")) for _ in range(15)]
    known, unknown = (statistics.median(column) for column in zip(*taken, strict=True))
    assert 0.5 < unknown / known < 2


def test_passwords_are_checked_beside_the_loop_and_a_few_at_a_time():
    async def burst() -> tuple[int, int]:
        checks = asyncio.gather(*(verify_password("a guess", None) for _ in range(30)))
        turns, most = 0, 0
        while not checks.done():
            turns += 1
            most = max(most, sum(thread.name.startswith("argon2") for thread in threading.enumerate()))
            await asyncio.sleep(0.001)
        assert await checks == [False] * 30
        return turns, most

    turns, most = asyncio.run(burst())
    assert turns > 30
    assert 1 <= most <= 4


def test_no_secret_is_logged(start):
    service = start(LOG_LEVEL="debug")
    client = service.client()
    _register(client, "a@x.test")
    first = _login(client, "a@x.test", SECRET).json()
    second = _refresh(client, first["refresh_token"]).json()
    _refresh(client, first["refresh_token"])
    _me(client, second["access_token"])
    _login(client, "a@x.test", "a wrong password")
    client.get("/api/auth/me", headers={"Cookie": "__Host-session=" + "c" * 43})
    _logout(client, second["access_token"], everywhere=True)
    service.terminate()
    log = service.log()
    assert "/api/auth/refresh" in log, "the log is not as full as it can be"
    told = [SECRET, "a wrong password", "c" * 43, "a@x.test"]
    for tokens in (first, second):
        told += [tokens["access_token"], tokens["refresh_token"], tokens["access_token"].split(".")[2]]
    assert [secret for secret in told if secret in log] == []


def _wait_until_alive(running: Running) -> None:
    def answers() -> bool:
        try:
            return httpx.get(running.url + "/health/live", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers, running.log)
