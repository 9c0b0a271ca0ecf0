"""The answer to bytes that are no HTTP request: the server's own would be plain text without the security headers."""

import uuid

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dealradar.problems import problem
from dealradar.security_headers import raw_headers

# The protocol is told no settings. Nothing in the answer could be upgraded, and over TLS a proxy answers this itself.
_GUARDS = raw_headers("")


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's protocol with that one answer replaced."""

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem document and close the connection. `msg` is the server's own text."""
        request_id = uuid.uuid4().hex
        scope = {"path": "/", "state": {"request_id": request_id}}
        answer = problem(scope, 400, msg, headers={"Connection": "close", "X-Request-ID": request_id})
        lines = [
            b"%s: %s\r\n" % header for header in [*self.server_state.default_headers, *answer.raw_headers, *_GUARDS]
        ]
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + b"".join(lines) + b"\r\n" + bytes(answer.body))
        self.transport.close()
