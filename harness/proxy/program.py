"""The proxy as a process of a stack: `python -m harness.proxy.program PORT TLS ROUTES`.

TLS is a file with certificate and key, or "" for none. ROUTES is a file with an upstream a line, read again with
SIGHUP; `ROUTES.served` holds those that may still be asked: today's, and former ones that have not answered all. Ends
with SIGTERM. Imports next to nothing: it has to be there before the service is.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest, Send, UpstreamError
from harness.proxy.server import Proxy

_LOOK_S = 0.01


async def plain(request: ProxiedRequest, send: Send) -> ProxiedAnswer:
    """Pass a request on; what the service did not answer is told in the log."""
    try:
        return await send(request)
    except UpstreamError as error:
        print(f"cut {request.client}: {error}", file=sys.stderr, flush=True)
        raise


async def behind_tls(request: ProxiedRequest, send: Send) -> ProxiedAnswer:
    """As what ends TLS before a service does: say in `X-Forwarded-Proto` how the request came, whatever it said."""
    others = tuple(pair for pair in request.headers if pair[0].lower() != "x-forwarded-proto")
    return await plain(replace(request, headers=(*others, ("X-Forwarded-Proto", "https"))), send)


def server_context(path: str) -> ssl.SSLContext:
    """For a server with the certificate and key of that file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    context.set_alpn_protocols(["http/1.1"])
    return context


class ProxyRoutes:
    """The file of upstreams, and what is told beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = asyncio.Event()

    def read(self) -> tuple[str, ...]:
        """What is routed to."""
        return tuple(self.path.read_text(encoding="utf-8").split())

    def tell(self, served: Sequence[str]) -> None:
        """Say who may still be asked, all at once."""
        aside = self.path.with_name(f".{self.path.name}.served")
        aside.write_text("\n".join(served), encoding="utf-8")
        aside.replace(served_file(self.path))

    async def follow(self, proxy: Proxy) -> None:
        """Route to what the file names, whenever it changes; what is no list of upstreams changes nothing."""
        while True:
            self.changed.clear()
            try:
                wanted = self.read()
                proxy.route_to(wanted)
            except (OSError, ValueError) as error:
                print(f"routes are as they were: {error}", file=sys.stderr, flush=True)
            else:
                while (left := proxy.busy - set(wanted)) and not self.changed.is_set():
                    self.tell((*wanted, *sorted(left)))
                    await asyncio.sleep(_LOOK_S)
                if not left:
                    self.tell(wanted)
            await self.changed.wait()


def served_file(routes: Path) -> Path:
    """Where the proxy says who may still be asked."""
    return routes.with_name(f"{routes.name}.served")


async def serve(port: int, tls: str, routes: ProxyRoutes) -> None:
    """Pass on until a signal comes. Raises OSError if the port is taken, or the routes cannot be read."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, routes.changed.set)
    proxy = Proxy(routes.read(), behind_tls if tls else plain, server_context(tls) if tls else None)
    await proxy.start(port=port)
    following = loop.create_task(routes.follow(proxy))
    await ended.wait()
    following.cancel()
    await proxy.close()
    if proxy.failure is not None:
        raise proxy.failure


def main(arguments: Sequence[str]) -> int:
    """Serve; returns the exit status."""
    port, tls, routes = arguments
    try:
        asyncio.run(serve(int(port), tls, ProxyRoutes(Path(routes))))
    except OSError as error:
        print(f"port {port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
