"""The proxy as a process of a stack: `python -m harness.proxy.program PORT TLS UPSTREAM…`.

TLS is a file with certificate and key, or "" for none. Ends with SIGTERM. Imports next to nothing: it has to be there
before the service is.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace

from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest, Send, UpstreamError
from harness.proxy.server import Proxy


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


async def serve(port: int, tls: str, upstreams: Sequence[str]) -> None:
    """Pass on until a signal comes. Raises OSError if the port is taken."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    proxy = Proxy(upstreams, behind_tls if tls else plain, server_context(tls) if tls else None)
    await proxy.start(port=port)
    await ended.wait()
    await proxy.close()
    if proxy.failure is not None:
        raise proxy.failure


def main(arguments: Sequence[str]) -> int:
    """Serve; returns the exit status."""
    port, tls, *upstreams = arguments
    try:
        asyncio.run(serve(int(port), tls, upstreams))
    except OSError as error:
        print(f"port {port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
