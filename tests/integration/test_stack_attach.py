"""Attaching to somebody else's service: it is reached, or one line says why not; it is never stopped."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import StackError, UnreachableError, UsageError
from harness.model import BuildPath, Service, Target
from harness.stack import attach_url, open_stack

TARGET = Target(name="theirs", source="", service=Service(url="http://x", timeout_s=0.5))


class Theirs(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"build": "2026.11"}' if self.path == "/version" else b"no"
        self.send_response(200 if self.path == "/version" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Silent."""


@pytest.fixture
def theirs() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Theirs)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_is_enough_and_nothing_is_owned(theirs: str) -> None:
    with attach_url(TARGET, theirs + "/") as stack:
        assert stack.info.url == theirs
        assert not stack.info.owned
        assert stack.info.backend == "attach"
        assert (Path(stack.info.state_dir) / "stack.json").is_file()
        with pytest.raises(StackError, match="was not started by this harness"):
            stack.start_instance({"CACHE": "off"})
    assert not Path(stack.info.state_dir).exists()


def test_the_build_is_what_the_service_reports(theirs: str) -> None:
    with attach_url(replace(TARGET, build=BuildPath(path="/version")), theirs) as stack:
        assert (stack.info.build.kind, stack.info.build.id) == ("reported", "2026.11")
    with attach_url(replace(TARGET, build=BuildPath(path="/nothing")), theirs) as stack:
        assert stack.info.build.kind == "unknown"


def test_what_is_entrusted_is_removed(theirs: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    with attach_url(TARGET, theirs) as stack:
        stack.own_folder(folder)
        assert folder.exists()
    assert not folder.exists()


def test_a_refused_connection_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with pytest.raises(UnreachableError, match=rf"http://127.0.0.1:{port} does not answer: connection refused"):
        attach_url(TARGET, f"http://127.0.0.1:{port}")


def test_a_silent_server_is_given_up_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(UnreachableError, match=r"no answer within 0\.5 s"),
    ):
        attach_url(TARGET, f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_an_unverified_certificate_is_refused() -> None:
    trustme = pytest.importorskip("trustme")
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    return  # the client hung up, as it should

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UnreachableError, match="its certificate does not verify"):
            attach_url(TARGET, f"https://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


@pytest.mark.parametrize("url", ["ftp://x", "nothing", "http://", "http://x:99999", "http://x/?a=b", "http://x/#a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--url"):
        attach_url(TARGET, url)


def test_another_process_opens_what_was_attached(theirs: str) -> None:
    with attach_url(TARGET, theirs) as stack:
        with open_stack(Path(stack.info.state_dir) / "stack.json") as again:
            assert again.info == stack.info
            with pytest.raises(StackError, match="not started by this harness"):
                again.start_instance({})
        assert Path(stack.info.state_dir).is_dir()


def test_no_descriptor_is_left_open(theirs: str) -> None:
    attach_url(TARGET, theirs).stop()
    before = len(list(Path("/proc/self/fd").iterdir()))
    attach_url(TARGET, theirs).stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
