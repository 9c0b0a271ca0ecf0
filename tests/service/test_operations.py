"""What whoever runs the service relies on: figures, switches, a quiet start, an end that loses nothing."""

from __future__ import annotations

import json
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.dealradar_process import OPERATOR, USER, Running, eventually


def figures(running: Running) -> dict[tuple[str, ...], float]:
    text = httpx.get(running.url + "/metrics", trust_env=False).raise_for_status().text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_count_what_was_answered(service):
    client = service.client()
    before = figures(service).get(("dealradar_requests_total", "GET /api/deals", "200"), 0)
    for _ in range(3):
        client.get("/api/deals").raise_for_status()
    found = figures(service)
    assert found["dealradar_requests_total", "GET /api/deals", "200"] == before + 3
    assert found["dealradar_request_duration_seconds_count", "GET /api/deals"] == before + 3
    assert found["dealradar_request_duration_seconds_bucket", "+Inf", "GET /api/deals"] == before + 3
    assert found["dealradar_server_up", "postgres"] == found["dealradar_server_up", "valkey"] == 1


def test_figures_are_only_for_the_networks_of_the_setting(service):
    assert service.client().get("/metrics").status_code == 403
    assert httpx.get(service.url + "/metrics", trust_env=False).status_code == 200


def test_each_family_of_figures_is_named_once_and_explained(service):
    lines = httpx.get(service.url + "/metrics", trust_env=False).text.splitlines()
    helped = [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert len(helped) == len(set(helped))
    assert all(len(line.split()) > 3 for line in lines if line.startswith("# HELP"))
    assert all(name.endswith("_total") for name in (li.split()[2] for li in lines if li.endswith(" counter")))


def test_a_switch_is_turned_without_a_restart_on_every_instance(start):
    first, second = start(), start()
    account = {"email": "new@dealradar.test", "display_name": "New", "password": "long enough to be one"}
    operator = first.client(OPERATOR)
    assert {flag["name"] for flag in operator.get("/api/admin/flags").json()} == {"registration", "feedback", "mail"}
    turned = operator.put("/api/admin/flags/registration", json={"is_on": False})
    assert (turned.status_code, turned.json()["is_on"]) == (200, False)
    eventually(lambda: second.client().post("/api/auth/register", json=account).status_code == 403)
    operator.put("/api/admin/flags/registration", json={"is_on": True})
    eventually(lambda: second.client().post("/api/auth/register", json=account).status_code == 201)


def test_while_a_switch_is_off_strangers_are_still_strangers(service):
    service.client(OPERATOR).put("/api/admin/flags/feedback", json={"is_on": False}).raise_for_status()
    assert service.client().post("/api/deals/1/comments", json={"body": "x"}).status_code == 401
    assert service.client(USER).post("/api/deals/1/comments", json={"body": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("email", "name", "body", "status"),
    [
        (USER, "registration", {"is_on": False}, 403),
        ("", "registration", {"is_on": False}, 401),
        (OPERATOR, "nothing", {"is_on": False}, 404),
        (OPERATOR, "registration", {"is_on": "no"}, 422),
        (OPERATOR, "x" * 50, {"is_on": True}, 422),
    ],
)
def test_a_switch_is_not_turned_by_others_or_by_mistake(service, db, email, name, body, status):
    answer = service.client(email).put(f"/api/admin/flags/{name}", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert db.execute("SELECT count(*) FROM feature_flags").fetchone() == (0,)


def test_a_start_and_an_end_write_no_warning(service):
    service.client().get("/api/deals").raise_for_status()
    assert service.terminate() == 0
    levels = [json.loads(line)["level"] for line in service.log().splitlines()]
    assert levels
    assert set(levels) <= {"info", "debug"}


def test_no_request_is_lost_while_an_instance_drains(start):
    service = start(DRAIN_SECONDS="1", RATE_LIMIT_PER_MINUTE="1000000")
    lost: list[str] = []
    served = [0] * 4

    def ask(number: int) -> None:
        with service.client() as client:
            while True:
                try:
                    answer = client.get("/api/deals")
                except httpx.ConnectError:
                    return  # nobody took this request
                except httpx.TransportError as error:
                    lost.append(repr(error))
                    return
                served[number] += 1
                if answer.status_code != 200:
                    lost.append(str(answer.status_code))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(served))]
    for thread in threads:
        thread.start()
    eventually(lambda: all(served))
    service.process.terminate()
    eventually(lambda: _status(service) == 503)
    after = sum(served)
    eventually(lambda: sum(served) > after)
    for thread in threads:
        thread.join()
    assert service.process.wait(10) == 0
    assert lost == []


def test_an_instance_that_drains_closes_its_connections(start):
    service = start(DRAIN_SECONDS="2")
    with service.client() as client:
        assert "connection" not in client.get("/api/deals").headers
        service.process.terminate()
        eventually(lambda: client.get("/health/live").headers.get("connection") == "close")


def test_a_head_that_never_ends_is_cut_off(service):
    parts = urlsplit(service.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
        connection.sendall(b"GET /api/deals HTTP/1.1\r\nHost: x\r\n")
        begun = time.monotonic()
        try:
            for number in range(10_000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1_000))
        except OSError:
            return
        answer = connection.recv(65_536)
        assert b" 431 " in answer.split(b"\r\n")[0] or answer == b""
        assert time.monotonic() - begun < 30


def test_a_head_that_does_not_go_on_is_answered_and_cut_off(service):
    parts = urlsplit(service.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        connection.sendall(b"GET /api/deals HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"], ids=["none", "two"])
def test_a_request_names_exactly_one_host(service, hosts):
    parts = urlsplit(service.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
        connection.sendall(b"GET /api/deals HTTP/1.1\r\n" + hosts + b"\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_body_that_drips_is_cut_off(service):
    parts = urlsplit(service.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        connection.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
        connection.settimeout(2)
        answer = b""
        while not answer:  # a byte every two seconds is never silence for long
            connection.sendall(b"x")
            try:
                answer = connection.recv(65_536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def _status(service: Running) -> int:
    try:
        return httpx.get(service.url + "/health/ready", trust_env=False).status_code
    except httpx.TransportError:
        return 0
