"""As much of PostgreSQL's protocol as it takes to log in and run a statement: ready is what answers `SELECT 1`.

Importing psycopg takes longer than starting the server. Protocol 3.0, SCRAM-SHA-256 (RFC 5802, RFC 7677) without
channel binding, simple queries; loopback only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct


class DatabaseError(Exception):
    """The server said no, or something else than expected."""


def run_statements(
    port: int, user: str, password: str, database: str, statements: tuple[str, ...], timeout: float
) -> None:
    """Log in at 127.0.0.1 and run the statements, one transaction each.

    Raises OSError if nobody listens or answers within `timeout` seconds, DatabaseError with the server's own words.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        wire = _Wire(connection)
        wire.log_in(user, password, database)
        for statement in statements:
            wire.run(statement)
        wire.send(b"X", b"")


def query_problem(
    port: int,
    user: str,
    password: str,
    database: str,
    statements: tuple[str, ...] = (),
    timeout: float = 5.0,
) -> str | None:
    """Why a Postgres at 127.0.0.1 does not answer `SELECT 1` and those statements; None if it does."""
    try:
        run_statements(port, user, password, database, ("SELECT 1", *statements), timeout)
    except (OSError, DatabaseError) as error:
        return str(error) or type(error).__name__
    return None


def literal(text: str) -> str:
    """A string as an SQL literal (standard_conforming_strings is on)."""
    return "'" + text.replace("'", "''") + "'"


class _Wire:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def send(self, kind: bytes, body: bytes) -> None:
        self._connection.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def take(self) -> tuple[bytes, bytes]:
        head = self._file.read(5)
        if len(head) < 5:
            raise ConnectionResetError("the server closed the connection")
        body = self._file.read(struct.unpack("!I", head[1:])[0] - 4)
        if head[:1] == b"E":
            fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
            raise DatabaseError(f"{fields.get(b'C', '')} {fields.get(b'M', '')}".strip())
        return head[:1], body

    def log_in(self, user: str, password: str, database: str) -> None:
        words = b"\0".join(word.encode() for word in ("user", user, "database", database)) + b"\0\0"
        self.send(b"", struct.pack("!I", 3 << 16) + words)
        kind, body = self.take()
        if kind != b"R" or struct.unpack("!I", body[:4])[0] != 10 or b"SCRAM-SHA-256" not in body[4:].split(b"\0"):
            # the server must ask for a password by SCRAM: a cluster of ours that trusts anybody is not ours
            raise DatabaseError("the server does not ask for SCRAM-SHA-256")
        self._scram(password)
        self._until_idle()

    def _scram(self, password: str) -> None:
        first = f"n=,r={secrets.token_urlsafe(18)}"
        message = f"n,,{first}".encode()
        self.send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(message)) + message)
        server_first = self.take()[1][4:].decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        bare = f"c=biws,r={fields['r']}"
        signed = f"{first},{server_first},{bare}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        self.send(b"p", f"{bare},p={base64.b64encode(proof).decode()}".encode())
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        expected = base64.b64encode(hmac.digest(server_key, signed, "sha256")).decode()
        if self.take()[1][4:].decode() != f"v={expected}":
            raise DatabaseError("the server does not know the password that it checked")

    def run(self, statement: str) -> None:
        self.send(b"Q", statement.encode() + b"\0")
        self._until_idle()

    def _until_idle(self) -> None:
        while self.take()[0] != b"Z":
            pass
