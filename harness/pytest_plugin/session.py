"""A session that runs suites: its stack, its run, and what workers are told of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from harness.config import generic_target, load_target, target_document, target_from_document
from harness.errors import HarnessError
from harness.machine.bundle import in_checkout, root
from harness.machine.redaction import Redactor
from harness.model import StackInfo, Target
from harness.probes.patience import count_waits
from harness.probes.reach import place_of
from harness.probes.surface import Surface, find_surface
from harness.pytest_plugin.recorder import Recorder
from harness.pytest_plugin.stash import CONTEXT, REDACT, Context
from harness.run import Run, create_run, open_run, read_document, stack_facts
from harness.stack import Stack, attach_url, find_stack, launch, open_stack
from harness.stack.build import commit_of, identify_build

_STATE = "stack.json"
_WHOLE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
_SECRET_SETTING = re.compile(r"SECRET|PASSWORD|(?:^|_)(?:TOKEN|PASSWD|(?:API|ACCESS|SIGNING|PRIVATE|ENCRYPTION)_?KEY)$")
"""Names of settings whose values are secrets."""


def is_suite_session(config: pytest.Config) -> bool:
    """Does this session run tests of suites (and not the project's own tests)?"""
    if hasattr(config, "workerinput"):
        return "harness" in config.workerinput
    if config.option.help or config.option.version or getattr(config.option, "showfixtures", False):
        return False
    if any(config.getoption(option) for option in ("--stack-file", "--run", "--target", "--url")):
        return True
    suites = root() / "suites"
    here = config.invocation_params.dir
    paths = [(here / argument.split("::")[0]).resolve() for argument in config.args]
    return any(path == suites or suites in path.parents for path in paths)


class Session:
    """Owns stack and run from the first hook to the last, unless both were given."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._stack: Stack | None = None
        self._run: Run | None = None
        self._recorder: Recorder | None = None
        self._owns_run = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:  # noqa: ARG002
        """Start or find the stack, open the run, tell everybody."""
        try:
            self._config.stash[CONTEXT] = self._dry_context() if self._config.option.collectonly else self._begin()
        except HarnessError as error:
            # pytest calls no sessionfinish for a session that did not start
            self._end("interrupted")
            raise pytest.UsageError(f"{error.message}\n{error.output}".rstrip()) from error

    def _begin(self) -> Context:
        config = self._config
        target, stack = self._find_target_and_stack()
        self._stack = stack
        redact = config.stash[REDACT]
        teach(redact, stack.info)
        self._run = self._open_run(target, stack, redact)
        self._recorder = Recorder(self._run, config)
        config.pluginmanager.register(self._recorder, "harness-recorder")
        _count_waits(stack.info)
        if config.getoption("dist", "no") == "load":
            from harness.pytest_plugin.xdist import Spreading

            config.pluginmanager.register(Spreading(self._recorder.path_of), "harness-spreading")
        return Context(
            target=target,
            info=stack.info,
            stack_file=Path(stack.info.state_dir) / _STATE,
            run=self._run.path,
            surface=find_surface(target, stack.info.url, stack.info.ca_file),
            active=config.getoption("--active"),
            traces=config.getoption("--traces"),
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:  # noqa: ARG002
        """Close what this session opened."""
        self._end("finished" if exitstatus in _WHOLE else "interrupted")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the evidence lies."""
        if self._run is not None and self._recorder is not None and self._owns_run:
            terminalreporter.write_line(f"{self._recorder.written} lines of evidence in {self._run.path}")

    def _end(self, state: Literal["finished", "interrupted"]) -> None:
        if self._run is not None and self._owns_run:
            self._run.close(state)
        if self._stack is not None:
            self._stack.stop()

    def _find_target_and_stack(self) -> tuple[Target, Stack]:
        options = self._config.option
        if options.stack_file:
            target = self._given_target(options.target) if options.target else self._target_of_run(options.run)
            return target, open_stack(Path(options.stack_file))
        if options.url:
            target = load_target(options.target, root()) if options.target else generic_target(options.url)
            return target, attach_url(target, options.url)
        target = self._given_target(options.target)
        running = find_stack("default")
        if running is not None and running.target == target.name:
            return target, open_stack(Path(running.state_dir) / _STATE)
        sys.stderr.write(f"harness: starting {target.name}\n")
        return target, launch(target)

    def _given_target(self, given: str | None) -> Target:
        if given is None and not in_checkout():
            raise pytest.UsageError("no target: give --target NAME|PATH or --url URL")
        return load_target(given or "dealradar", root())

    def _target_of_run(self, run: str) -> Target:
        return target_from_document(read_document(Path(run) / "profile.json"))

    def _open_run(self, target: Target, stack: Stack, redact: Redactor) -> Run:
        given = self._config.option.run
        if given:
            return open_run(Path(given), redact)
        self._owns_run = True
        run = create_run(
            Path("reports"),
            kind="pytest",
            target=target,
            policy=None,
            commit=commit_of(root()).id or None,
            documents={"profile": target_document(target)},
            redact=redact,
        )
        with run.editing() as document:
            document["stack"] = stack_facts(stack.info)
            document["build"] = identify_build(target, stack.info)
        return run

    def _dry_context(self) -> Context:
        target = self._given_target(self._config.option.target)
        info = StackInfo(name="none", backend="attach", target=target.name, url="http://127.0.0.1:9", owned=False)
        surface = Surface(paths=target.open_pages, pages=target.open_pages, openapi="")
        nowhere = Path()
        return Context(
            target=target, info=info, stack_file=nowhere, run=nowhere, surface=surface, active=False, traces=False
        )


def _count_waits(info: StackInfo) -> None:
    """A service of somebody else that hangs is waited for less and less, by all processes of the session."""
    if not info.owned and (place := place_of(info.url)):
        count_waits(place, info.state_dir)


def teach(redact: Redactor, info: StackInfo) -> None:
    """Tell the redactor the secrets of a stack."""
    redact.learn(info.secrets.values())
    redact.learn((info.database_url, info.redis_url, info.smtp_url))
    redact.learn(value for name, value in info.settings.items() if _SECRET_SETTING.search(name) or "://" in value)


def serve_context(context: Context) -> bytes:
    """The context as bytes for execnet. The stack's secrets stay in its private file."""
    return msgspec.json.encode(
        {
            "target": context.target,
            "stack_file": str(context.stack_file),
            "run": str(context.run),
            "surface": context.surface,
            "active": context.active,
            "traces": context.traces,
        }
    )


def worker_context(config: pytest.Config) -> Context:
    """What the controller told this worker."""
    told: dict[str, Any] = msgspec.json.decode(config.workerinput["harness"])  # type: ignore[attr-defined]
    stack_file = Path(told["stack_file"])
    info = msgspec.json.decode(stack_file.read_bytes(), type=StackInfo)
    teach(config.stash[REDACT], info)
    _count_waits(info)
    return Context(
        target=msgspec.convert(told["target"], Target),
        info=info,
        stack_file=stack_file,
        run=Path(told["run"]),
        surface=msgspec.convert(told["surface"], Surface),
        active=told["active"],
        traces=told["traces"],
    )
