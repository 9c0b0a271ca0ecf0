"""The canary: a tiny HTTP server that is stopped once, on purpose, so that a load run can prove it sees a stall.

A stand-alone program (`python -I -S canary_server.py`): prints its port, answers every GET, ends when its
standard input does.
"""

import ctypes
import http.server
import os
import signal
import socket
import sys
import threading

_PR_SET_PDEATHSIG = 1


class _Canary(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing is logged."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main() -> None:
    """Serve until standard input ends."""
    if sys.platform == "linux":
        # stopped, it would not see its input end: the kernel kills it when its parent dies
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    server = _Server(("127.0.0.1", 0), _Canary)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    while os.read(0, 4096):
        continue


if __name__ == "__main__":
    main()
