"""A mail server that says exactly what a test wants, line by line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

CUT, SILENCE = "cut", "silence"
ANSWERS = {
    "CONNECT": "220 here",
    "EHLO": "250 hello",
    "MAIL": "250 sender",
    "RCPT": "250 recipient",
    "DATA": "354 go on",
    ".": "250 kept",
    "RSET": "250 forgotten",
    "QUIT": "221 bye",
}


@dataclass
class Script:
    """`answers` replaces the usual ones, also during the block; `heard` is what clients said."""

    answers: Mapping[str, str]
    url: str
    heard: list[str] = field(default_factory=list)
    conversations: int = 0

    def serve(self, connection: socket.socket) -> None:
        """One conversation."""
        self.conversations += 1
        with connection, connection.makefile("rwb") as lines:
            in_text, word, has_sender = False, "CONNECT", False
            while True:
                answer = "" if in_text else {**ANSWERS, **self.answers}[word]
                if word == "MAIL" and has_sender:
                    answer = "503 one mail at a time"
                has_sender = word in ("MAIL", "RCPT", "DATA") or in_text
                if answer == CUT:
                    return
                if answer and answer != SILENCE:
                    lines.write(answer.encode() + b"\r\n")
                    lines.flush()
                in_text = in_text or answer.startswith("354")
                line = lines.readline()
                if not line:
                    return
                said = line.decode().strip()
                if in_text:
                    in_text = said != "."
                    word = "."
                else:
                    word = said.split(maxsplit=1)[0].upper()
                    self.heard.append(word)


@contextmanager
def scripted(**answers: str) -> Iterator[Script]:
    """Serve until the end of the block: `scripted(RCPT="550 nobody")`; `END` stands for the end of a mail's text."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if "END" in answers:
            answers["."] = answers.pop("END")
        script = Script(answers, f"smtp://127.0.0.1:{listener.getsockname()[1]}")

        def listen() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_quietly, args=(script, connection), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        yield script
        listener.shutdown(socket.SHUT_RDWR)


def _quietly(script: Script, connection: socket.socket) -> None:
    """A client that is gone is no trouble of the script's."""
    try:
        script.serve(connection)
    except OSError:
        return
