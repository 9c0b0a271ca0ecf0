"""An HTTP/1.1 reverse proxy of our own: in front of several instances, of TLS, and of mutations on the wire."""

from harness.proxy.exchange import Answer, Handler, Request, Send, UpstreamError

__all__ = ["Answer", "Handler", "Request", "Send", "UpstreamError"]
