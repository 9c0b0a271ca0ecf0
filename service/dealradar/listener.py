"""The socket that the service listens at: opened before anything is built, closed without losing who just connected."""

import ctypes
import socket
import struct
import sys

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER of Linux, which Python does not name
# Classic BPF over the TCP header: drop a segment whose flags (byte 13) have SYN, let everything else pass.
_NO_NEWCOMERS = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
)


class PortUnavailableError(Exception):
    """The address cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """Bind, so that a port in use is known at once. Raises PortUnavailableError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise PortUnavailableError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener


def turn_away_newcomers(listener: socket.socket) -> None:
    """Let no new connection begin, while those that wait to be accepted still are.

    Closing a listening socket resets every connection in its queue, whose clients have sent their requests already.
    Newcomers whose SYN is dropped try again, and are refused once the socket is closed. Elsewhere than on Linux nothing
    is done: the queue is short, but what is in it is lost.
    """
    if sys.platform == "linux":
        code = ctypes.create_string_buffer(_NO_NEWCOMERS)
        program = struct.pack("HL", len(_NO_NEWCOMERS) // 8, ctypes.addressof(code))
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)
