"""A service that somebody else runs: nothing is started, nothing is stopped."""

from __future__ import annotations

import secrets
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from harness.errors import StackError, UnreachableError, UsageError
from harness.model import Instance, StackInfo, Target, Worker
from harness.stack.build import reported_build
from harness.stack.supervisor.client import Supervision
from harness.stack.supervisor.process import MARK
from harness.stack.supervisor.registry import make_private, write_info


class AttachedStack:
    """The `Stack` at a URL. Only the facts' folder and what is entrusted to it are ours."""

    def __init__(self, info: StackInfo, supervision: Supervision) -> None:
        self._info = info
        self._supervision = supervision

    @property
    def info(self) -> StackInfo:
        """Endpoints and facts."""
        return self._info

    def start_instance(self, overrides: Mapping[str, str]) -> Instance:
        """Impossible: raises StackError."""
        raise StackError(
            f"{self._info.url} was not started by this harness: another copy with {dict(overrides)} cannot be; "
            "use --stack embedded, or `harness up` and --stack attach --name NAME"
        )

    def stop_instance(self, instance: Instance) -> None:
        """Impossible: raises StackError."""
        raise StackError(f"{instance.url} was not started by this harness and is not stopped by it")

    def start_worker(self, overrides: Mapping[str, str]) -> Worker:
        """Impossible: raises StackError."""
        raise StackError(f"{self._info.url} was not started by this harness: a worker with {dict(overrides)} cannot be")

    def stop_worker(self, worker: Worker) -> None:
        """Impossible: raises StackError."""
        raise StackError(f"{worker.name} was not started by this harness and is not stopped by it")

    def exit_status(self, name: str) -> None:
        """Not known: nothing was started here."""

    def own_process(self, pid: int) -> None:
        """End that process if this one dies."""
        self._supervision.own_process(pid)

    def own_folder(self, path: Path) -> None:
        """Remove that folder however this process ends."""
        self._supervision.own_folder(path)

    def stop(self) -> None:
        """Remove our own folder; the service lives on."""
        self._supervision.down()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def attach_url(
    target: Target,
    url: str,
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    smtp_url: str | None = None,
    mailbox_url: str | None = None,
) -> AttachedStack:
    """Attach to a service that runs at an http(s) URL; certificates are verified.

    Raises UsageError for what is no such URL, UnreachableError if nothing answers there within the profile's timeout.
    """
    url = checked_url(url)
    _reach(url, target.health.ready or target.health.live or "/", target.service.timeout_s)
    build = reported_build(target, url)
    supervision = Supervision(mark := secrets.token_hex(6))
    state = Path(tempfile.gettempdir()) / f"harness-{mark}"
    supervision.own_folder(state)
    make_private(state)
    info = StackInfo(
        name=f"attach-{mark}",
        backend="attach",
        target=target.name,
        url=url,
        owned=False,
        database_url=database_url,
        redis_url=redis_url,
        smtp_url=smtp_url,
        mailbox_url=mailbox_url,
        instances=(Instance(url=url),),
        settings={MARK: mark},
        state_dir=str(state),
        supervisor_pid=supervision.pid,
        build=build,
    )
    write_info(info)
    return AttachedStack(info, supervision)


def checked_url(url: str, option: str = "--url ") -> str:
    """The URL without a slash at its end. Raises UsageError, which names the option, for no http(s) service."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{option}{url!r}: {error}; write http://HOST:PORT") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError(f"{option}{url!r}: not an address of a service; write http://HOST:PORT or https://HOST")
    if parts.query or parts.fragment:
        raise UsageError(f"{option}{url!r}: a base address has no query and no fragment; leave them out")
    return url.rstrip("/")


def _reach(url: str, path: str, timeout: float) -> None:
    """Any answer is an answer: what it is worth is for preflight to say."""
    # imported where they are used: every command pays for this module, few attach
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url + path, timeout=timeout):  # noqa: S310 - http(s) only, see checked_url
            return
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError) as error:
        raise UnreachableError(f"{url} does not answer: {_why(error, timeout)}; start it, or correct --url") from error


def _why(error: Exception, timeout: float) -> str:
    import ssl

    reason = getattr(error, "reason", error)
    match reason:
        case TimeoutError():
            return f"no answer within {timeout:g} s"
        case socket.gaierror():
            return "its name is not known"
        case ConnectionRefusedError():
            return "connection refused"
        case ssl.SSLCertVerificationError():
            return f"its certificate does not verify ({reason.verify_message})"
        case _:
            return str(reason) or type(reason).__name__
