"""A service that somebody else runs: nothing is started, nothing is stopped."""

from __future__ import annotations

import secrets
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from harness.config.service_url import checked_url
from harness.errors import StackError, UnreachableError
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


def _reach(url: str, path: str, timeout: float) -> None:
    """Any answer is an answer: what it is worth is for preflight to say."""
    # imported where they are used: every command pays for this module, few attach
    from harness.probes.exchange import UnfitAnswer
    from harness.probes.http import RecordingClient, ServiceUnavailable

    try:
        with RecordingClient(url, timeout_s=timeout, keep=1) as client:
            client.status_of(path)
            return
    except ServiceUnavailable as error:
        why = _why(error, timeout) or error.what
    except UnfitAnswer as error:
        why = str(error)
    raise UnreachableError(f"{url} does not answer: {why}; start it, or correct --url")


def _why(error: BaseException, timeout: float) -> str | None:
    """What the network said, in fewer words than the error that it led to; None if it said nothing of its own."""
    import ssl

    import httpx

    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case httpx.TimeoutException():
                return f"no answer within {timeout:g} s"
            case socket.gaierror():
                return "its name is not known"
            case ConnectionRefusedError():
                return "connection refused"
            case ssl.SSLCertVerificationError():
                return f"its certificate does not verify ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    return None
