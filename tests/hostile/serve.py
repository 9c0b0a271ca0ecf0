"""Serves one server of the grammar on loopback until its end: `python -m tests.hostile.serve NUMBER SEED`.

Prints its port; what reaches the foreign host (127.0.0.3) is printed as a line `FOREIGN …`.
"""

from __future__ import annotations

import asyncio
import sys

from tests.hostile.grammar import Saying, Server, server

_MOST_BYTES = 2 * 2**30
"""In all: a client that reads without end is ended by its own bounds, not by this machine's memory."""


class _Serving:
    def __init__(self, what: Server) -> None:
        self._what = what
        self._left = _MOST_BYTES

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                await reader.readexactly(length)
                if await self._say(self._what.answer(head.split(b" ")[1].decode("latin-1")), writer):
                    return
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()

    async def _say(self, saying: Saying, writer: asyncio.StreamWriter) -> bool:
        """Is the connection to be closed?"""
        last = b""
        for last in saying.pieces:
            await self._send(last, writer, saying.pause_s)
        while saying.repeat and self._left > 0:
            await self._send(last, writer, saying.pause_s)
        if saying.hang:
            await asyncio.sleep(600)
        return saying.close or saying.repeat or saying.hang

    async def _send(self, piece: bytes, writer: asyncio.StreamWriter, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        self._left -= len(piece)
        writer.write(piece)
        await writer.drain()


async def _note_foreign(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sys.stdout.write(f"FOREIGN {(await reader.read(200))[:80]!r}\n")
    sys.stdout.flush()
    writer.close()


async def _main(number: int, seed: int) -> None:
    foreign = await asyncio.start_server(_note_foreign, "127.0.0.3", 0)
    what = server(number, seed, foreign.sockets[0].getsockname()[1])
    listening = await asyncio.start_server(_Serving(what).serve, "127.0.0.1", 0, limit=2**20)
    sys.stdout.write(f"{listening.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
