"""A peer that the service does not trust: a relay in a container of its own; a small program, run by `python3`.

    python3 untrusted_peer.py PORT SERVICE_HOST SERVICE_PORT

Whoever connects to PORT speaks with the service, which sees this container's address and not that of the network's
gateway, its one trusted proxy. Bytes pass unchanged in both directions.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

EVERYWHERE = "0.0.0.0"  # noqa: S104 - of a container
_CHUNK = 65536


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the reader's end, and tell the writer of it."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    try:
        upstream_reader, upstream_writer = await asyncio.open_connection(host, port)
    except OSError as error:
        print(f"{host}:{port}: {error}", file=sys.stderr, flush=True)
        writer.close()
        return
    try:
        await asyncio.gather(_pass_on(reader, upstream_writer), _pass_on(upstream_reader, writer))
    finally:
        upstream_writer.close()
        writer.close()


async def main() -> None:
    """Relay until the process is ended."""
    port, host, service_port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    server = await asyncio.start_server(
        lambda reader, writer: _relay(reader, writer, host, service_port),
        EVERYWHERE,
        port,
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
