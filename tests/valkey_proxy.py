"""Stands between a service and Valkey: notes what is sent, holds a command back, cuts the line."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import hiredis

Words = list[bytes]


class ValkeyProxy:
    """A context manager. `sent`: what each sending of the client held, so its length counts round trips."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{self.port}"))
        self.sent: list[list[Words]] = []
        self._holds: Callable[[Words], bool] = _nothing
        self.held = threading.Event()
        self._released = threading.Event()
        self._is_cut = False
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def hold(self, matches: Callable[[Words], bool]) -> None:
        """Hold the next such command back until `release`; `held` says that it came."""
        self.held.clear()
        self._released.clear()
        self._holds = matches

    def release(self) -> None:
        """Let go what was held."""
        self._holds = _nothing
        self._released.set()

    def cut(self) -> None:
        """End all connections, and accept none."""
        self._is_cut = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Accept connections again."""
        self._is_cut = False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                if self._is_cut:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._open += [client, server]
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        reader = hiredis.Reader()
        with contextlib.suppress(OSError), client, server:
            while data := client.recv(65_536):
                reader.feed(data)
                commands = []
                while (words := reader.gets()) is not False:
                    commands.append(words)
                self.sent.append(commands)
                if any(self._holds(words) for words in commands):
                    self._holds = _nothing
                    self.held.set()
                    self._released.wait(30)
                server.sendall(data)


def _nothing(_: Words) -> bool:
    return False


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(65_536):
            with contextlib.suppress(OSError):  # a client that gave up; the server's answers are still to be read
                client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)
