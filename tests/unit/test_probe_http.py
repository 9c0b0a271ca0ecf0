"""The recording client against a real server on loopback, and the `curl` line read by a real shell."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.errors import SafetyError, UsageError
from harness.probes.exchange import SentRequest, curl_line
from harness.probes.http import RecordingClient, ServiceUnavailable, exchange_of


class Echo(BaseHTTPRequestHandler):
    """Answers with the request as JSON; /redirect, /drip, /garbage and /cut misbehave on purpose."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        if self.path == "/cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if self.path == "/drip":
            self._drip()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": body.decode("latin-1"),
            "peer": self.client_address[0],
        }
        answer = json.dumps(seen).encode()
        self.send_response(302 if self.path == "/redirect" else 200)
        if self.path == "/redirect":
            self.send_header("Location", "/landed")
        if self.path == "/garbage":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("X-Twice", "a")
        self.send_header("X-Twice", "b")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        release = self.server.release  # type: ignore[attr-defined]
        while not release.wait(0.02):
            try:
                self.wfile.write(b".")
            except OSError:
                return

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    server.release = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.release.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_exchange_holds_both_sides(echo: str) -> None:
    with RecordingClient(echo) as client:
        response = client.post("/a?b=1", json={"x": 1}, headers={"X-Asked": "yes"})
    seen = exchange_of(response)
    assert (seen.method, seen.path, seen.status) == ("POST", "/a?b=1", 200)
    assert seen.request_body == '{"x":1}'
    assert ("X-Asked", "yes") in seen.request_headers
    assert seen.header_lines("x-twice") == ("a", "b")
    assert seen.header("X-TWICE") == "a, b"
    assert seen.header("absent") is None
    assert seen.json()["path"] == "/a?b=1"
    assert seen.elapsed_s > 0
    assert client.last is seen


def test_only_the_last_exchanges_are_kept(echo: str) -> None:
    with RecordingClient(echo, keep=2) as client:
        for number in range(4):
            client.get(f"/{number}")
    assert [each.path for each in client.exchanges] == ["/2", "/3"]


def test_every_hop_of_a_redirect_is_kept_and_asked_for(echo: str) -> None:
    asked: list[tuple[str, str]] = []

    def permit(method: str, url: str) -> str | None:
        asked.append((method, url.removeprefix(echo)))
        return None

    with RecordingClient(echo, permit=permit) as client:
        client.get("/redirect", follow_redirects=True)
    assert [(each.path, each.status) for each in client.exchanges] == [("/redirect", 302), ("/landed", 200)]
    assert asked == [("GET", "/redirect"), ("GET", "/landed")]


def test_a_refused_request_is_not_sent(echo: str) -> None:
    def permit(method: str, _: str) -> str | None:
        return None if method == "GET" else "add the host"

    with RecordingClient(echo, permit=permit) as client:
        client.get("/fine")
        with pytest.raises(SafetyError, match="add the host"):
            client.delete("/thing")
    assert [each.method for each in client.exchanges] == ["GET"]


def test_the_forwarded_address_is_on_every_request_but_those_that_set_one(echo: str) -> None:
    with RecordingClient(echo, address_mode="x-forwarded-for", address="198.18.0.7") as client:
        mine = dict(client.get("/").json()["headers"])
        other = dict(client.get("/", headers={"x-forwarded-for": "203.0.113.9"}).json()["headers"])
    assert mine["x-forwarded-for"] == "198.18.0.7"
    assert other["x-forwarded-for"] == "203.0.113.9"


def test_a_source_address_is_bound(echo: str) -> None:
    with RecordingClient(echo, address_mode="source", address="127.1.2.3") as client:
        seen = client.exchange("GET", "/")
    assert seen.json()["peer"] == "127.1.2.3"
    assert "--interface 127.1.2.3" in curl_line(seen)


def test_a_source_address_towards_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"https://example\.org: a source address"):
        RecordingClient("https://example.org", address_mode="source", address="127.1.2.3")


def test_clients_told_apart_need_an_address() -> None:
    with pytest.raises(UsageError, match="need an address"):
        RecordingClient("http://127.0.0.1", address_mode="source")


@pytest.mark.parametrize(
    ("path", "says"), [("/cut", "cut before"), ("/drip", r"within 0\.2 s"), ("/garbage", "Content-Encoding")]
)
def test_a_service_that_gives_no_whole_answer_is_unavailable(echo: str, path: str, says: str) -> None:
    with RecordingClient(echo, timeout_s=0.2) as client, pytest.raises(ServiceUnavailable, match=says) as caught:
        client.get(path)
    assert caught.value.attempt.path == path
    assert caught.value.curl == f"curl -sS -i {echo}{path}"
    assert not client.exchanges


def test_a_drip_is_bounded_as_a_whole_not_by_read(echo: str) -> None:
    begun = time.monotonic()
    with RecordingClient(echo, timeout_s=0.3) as client, pytest.raises(ServiceUnavailable):
        client.get("/drip")
    assert time.monotonic() - begun < 15  # dripping to its end would take 20 s


def test_a_refused_connection_is_the_services() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with RecordingClient(url) as client, pytest.raises(ServiceUnavailable, match="not accepted"):
            client.get("/")


# --- curl ----------------------------------------------------------------------------------------------------------


def words_of(line: str) -> list[str]:
    """The words that curl would get from a POSIX shell, with the three variables set."""
    script = 'curl() { for word in "$@"; do printf "%s\\0" "$word"; done; }\n' + line
    given = {"TOKEN": "T0K", "PASSWORD": "PW", "COOKIE": "C00K", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(["sh", "-c", script], env=given, capture_output=True, check=True, timeout=20)
    return ran.stdout.decode().split("\0")[:-1]


def attempt(method: str = "GET", url: str = "http://h/x", body: bytes = b"", **headers: str) -> SentRequest:
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return SentRequest(method=method, url=url, request_headers=lines, request_bytes=body, request_size=len(body))


def test_a_plain_get_is_a_plain_line() -> None:
    line = curl_line(attempt(Host="h", Accept="*/*", Accept_Encoding="gzip, deflate, br", User_Agent="x"))
    assert line == "curl -sS -i http://h/x"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_methods(method: str) -> None:
    assert words_of(curl_line(attempt(method))) == ["-sS", "-i", "-X", method, "http://h/x"]


def test_a_head_and_an_empty_post() -> None:
    assert words_of(curl_line(attempt("HEAD"))) == ["-sS", "-I", "http://h/x"]
    assert words_of(curl_line(attempt("POST"))) == ["-sS", "-i", "-X", "POST", "http://h/x"]


def test_whatever_stands_in_a_header_survives_the_shell() -> None:
    nasty = "a'b\"c $HOME `id` \\ ; & é !"
    assert f"X-Odd: {nasty}" in words_of(curl_line(attempt(X_Odd=nasty)))


def test_whatever_stands_in_a_body_survives_the_shell() -> None:
    body = '{"name": "it\'s $HOME `id` \\" é", "n": [1, 2]}'
    words = words_of(curl_line(attempt("POST", body=body.encode(), Content_Type="application/json")))
    assert words[words.index("--data-raw") + 1] == body


def test_credentials_become_variables() -> None:
    line = curl_line(
        attempt(
            "POST",
            "http://bob:s3cret@h/x?access_token=s3cret&q=1",
            b'{"email": "a@b", "password": "s3cret", "deep": {"refresh_token": "s3cret"}}',
            Authorization="Bearer s3cret",
            Cookie="session=s3cret",
            Content_Type="application/json",
        )
    )
    assert "s3cret" not in line
    words = words_of(line)
    assert "Authorization: Bearer T0K" in words
    assert "Cookie: C00K" in words
    sent = json.loads(words[words.index("--data-raw") + 1])
    assert sent == {"email": "a@b", "password": "PW", "deep": {"refresh_token": "T0K"}}
    assert words[-1] == "http://bob:PW@h/x?access_token=T0K&q=1"


def test_a_form_hides_its_password() -> None:
    line = curl_line(attempt("POST", body=b"user=a%20b&password=s3", Content_Type="application/x-www-form-urlencoded"))
    assert words_of(line)[-2] == "user=a%20b&password=PW"


@pytest.mark.parametrize("tail", [b'"', b"", b" cut off in the mid"])
def test_a_body_that_is_no_json_hides_its_password_too(tail: bytes) -> None:
    line = curl_line(attempt("POST", body=b'{"password": "s3cret' + tail, Content_Type="application/json"))
    assert "s3cret" not in line
    assert "$PASSWORD" in line


def test_a_body_that_is_no_text_is_piped() -> None:
    body = b"\x00\xff%d'\\n" + bytes(range(256))
    line = curl_line(attempt("POST", body=body, Content_Type="application/octet-stream"))
    producer = line[: line.index(" | curl")]
    assert subprocess.run(["sh", "-c", producer], capture_output=True, check=True, timeout=20).stdout == body


def test_a_password_beside_a_nul_is_hidden() -> None:
    line = curl_line(attempt("POST", body=b'{"x": "\x00", "password": "s3cret"}', Content_Type="application/json"))
    assert "s3cret" not in line


def test_a_long_body_is_cut_and_says_so() -> None:
    line = curl_line(attempt("POST", body=b"a" * 5000, Content_Type="text/plain"))
    assert line.endswith("# body cut: 4096 of 5000 bytes")
    assert len(line) < 4300


def test_what_pytest_prints_holds_no_credential() -> None:
    shown = repr(attempt(url="http://h/x?token=s3cret", Authorization="Bearer s3cret"))
    assert shown == "<GET /x?token=$TOKEN>"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_a_real_curl_repeats_the_request(echo: str) -> None:
    with RecordingClient(echo, address_mode="x-forwarded-for", address="198.18.0.7") as client:
        first = client.exchange("PUT", "/deals/1?q=a%20b&r=[x]", json={"t": "it's é"}, headers={"X-Empty": ""})
    ran = subprocess.run(["sh", "-c", curl_line(first)], capture_output=True, check=True, timeout=20)
    again = json.loads(ran.stdout.rpartition(b"\r\n\r\n")[2])
    before = first.json()
    left_out = {"user-agent", "accept-encoding", "connection"}
    assert again["body"] == before["body"]
    assert again["path"] == before["path"]
    assert {name: value for name, value in again["headers"] if name not in left_out} == {
        name: value for name, value in before["headers"] if name not in left_out
    }
