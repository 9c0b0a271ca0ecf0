"""A server with habits, for the tests of load: `python load_server.py` prints its port, ends with its standard input.

/ok at once; /wait/MS after that many ms; /stall: the whole server stands still for 0.5 s of every 2.5 s; /slow: 100 a
second at most; /status/N; /never; /chunked; /until-close; /cut; /garbage; /interim; /hints and /hints-until-close
(interim answers and the first part of the final one in one segment); /once (closes after each answer); /forget (says
keep-alive, closes nonetheless); /seen: who has asked, as lines.
"""

import asyncio
import os
import sys
import threading
import time

BEGUN = time.monotonic()
SEEN: set[str] = set()
QUEUE = asyncio.Lock()


def answer(status: int, body: bytes, *headers: bytes) -> bytes:
    """A whole answer with its length; none where the status forbids a body (RFC 9110, 6.4.1)."""
    lines = [b"HTTP/1.1 %d X" % status, *headers]
    if status in (204, 304):
        return b"\r\n".join(lines) + b"\r\n\r\n"
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


OK = answer(200, b"ok")
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"

PIECES = {
    # what is sent, piece by piece, and whether the connection is closed then
    "": ((OK,), False),
    "ok": ((OK,), False),
    "wait": ((OK,), False),
    "stall": ((OK,), False),
    "slow": ((OK,), False),
    "chunked": ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", b"0\r\n\r\n"), False),
    "until-close": ((b"HTTP/1.1 200 OK\r\n\r\nhalf", b" and half"), True),
    "cut": ((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",), True),
    "garbage": ((b"220 smtp.example.org ESMTP\r\n",), False),
    "interim": ((b"HTTP/1.1 103 Early Hints\r\n\r\n", OK), False),
    "hints": ((HINT + HINT + OK[:-1], OK[-1:]), False),
    "hints-until-close": ((HINT[:-2], HINT[-2:] + b"HTTP/1.1 200 OK\r\n\r\nhalf", b" and half"), True),
    "once": ((answer(200, b"ok", b"Connection: close"),), True),
    "forget": ((OK,), True),
}


def stand_still() -> None:
    """Block the whole server while its clock says so."""
    phase = (time.monotonic() - BEGUN) % 2.5
    if 1.0 <= phase < 1.5:
        time.sleep(1.5 - phase)


async def wait_for(name: str, rest: str) -> None:
    """What the path does before it answers."""
    if name == "wait":
        await asyncio.sleep(int(rest) / 1000)
    elif name == "stall":
        stand_still()
    elif name == "slow":
        async with QUEUE:
            await asyncio.sleep(0.01)
    elif name == "never":
        await asyncio.Event().wait()


async def respond(path: str, writer: asyncio.StreamWriter) -> None:
    """Answer as the path says."""
    name, _, rest = path.strip("/").partition("/")
    await wait_for(name, rest)
    if name not in PIECES:
        name, rest = ("seen", "") if name == "seen" else ("status", rest or "404")
    if name == "status":
        pieces, closes = (answer(int(rest), b"no"),), False
    elif name == "seen":
        pieces, closes = (answer(200, "\n".join(sorted(SEEN)).encode()),), False
    else:
        pieces, closes = PIECES[name]
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.001 if len(pieces) > 1 else 0)
    if closes:
        writer.close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: answer until somebody closes."""
    try:
        while not writer.is_closing():
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            told = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("x-forwarded-for: ")]
            SEEN.add(told[0] if told else writer.get_extra_info("peername")[0])
            await respond(head.split(" ", 2)[1], writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve on a free port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def end_with_input() -> None:
    """The test that started us is gone."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    asyncio.run(main())
