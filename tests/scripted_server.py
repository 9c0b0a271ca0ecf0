"""A server that says exactly the bytes it is told to, and keeps what was said to it."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Line:
    """One accepted connection, for a script to read from and to write to."""

    def __init__(self, sock: socket.socket, peer: str, number: int) -> None:
        self.sock = sock
        self.peer = peer
        self.number = number
        """The how-manieth connection it is, from 0."""
        self._rest = b""

    def read(self) -> bytes:
        """The next whole request; b"" if there is none."""
        while b"\r\n\r\n" not in self._rest:
            if not (data := self.sock.recv(65_536)):
                return b""
            self._rest += data
        head, _, body = self._rest.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        while len(body) < length:
            body += self.sock.recv(65_536)
        self._rest = body[length:]
        return head + b"\r\n\r\n" + body[:length]

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def reset(self) -> None:
        """Close so that the other side's machine is told of a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Line], None]


class ScriptedServer:
    """A context manager. Each connection runs the script in a thread, and is closed when that returns."""

    def __init__(self, script: Script, host: str = "127.0.0.1") -> None:
        self._script = script
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self.peers: list[str] = []
        self.failures: list[BaseException] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        # first the one that may be about to start another
        self._acceptor.join(30)
        for thread in self._threads:
            thread.join(30)

    def close(self) -> None:
        """Refuse from now on; what is open goes on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, address = self._listener.accept()
                sock.settimeout(30)
                self.peers.append(address[0])
                line = Line(sock, address[0], len(self.peers) - 1)
                thread = threading.Thread(target=self._run, args=(line,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self, line: Line) -> None:
        try:
            with contextlib.suppress(ConnectionError), line.sock:
                self._script(line)
        except BaseException as error:  # noqa: BLE001 - told to the test, whose thread this is not
            self.failures.append(error)
