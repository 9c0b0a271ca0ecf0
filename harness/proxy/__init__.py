"""An HTTP/1.1 reverse proxy of our own: in front of several instances, of TLS, and of mutations on the wire."""

from harness.proxy.exchange import Handler, ProxiedAnswer, ProxiedRequest, Send, UpstreamError
from harness.proxy.server import Proxy, pass_on, running_proxy

__all__ = ["Handler", "ProxiedAnswer", "ProxiedRequest", "Proxy", "Send", "UpstreamError", "pass_on", "running_proxy"]
