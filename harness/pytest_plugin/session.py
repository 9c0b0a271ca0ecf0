"""A session that runs suites: its stack, its run, and what workers are told of them."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from harness.config import target_from_document
from harness.errors import HarnessError
from harness.machine.bundle import root
from harness.machine.decoding import Reader
from harness.machine.redaction import Redactor
from harness.machine.secret_values import learn_target
from harness.model import StackInfo, Target
from harness.probes.patience import count_waits
from harness.probes.reach import place_of
from harness.probes.surface import Surface, find_surface
from harness.pytest_plugin.recorder import Recorder
from harness.pytest_plugin.stash import CONTEXT, REDACT, Context
from harness.run import Run, open_run, read_document
from harness.stack import Stack
from harness.stack.launcher import silent
from harness.stack.secrets import teach_secrets
from harness.stack.selection import TargetSelection, bring_up, find_target, select_for_pytest

if TYPE_CHECKING:
    from harness.jobs.session import RunSession

_INFO, _TARGET, _SURFACE = Reader(StackInfo), Reader(Target), Reader(Surface)
_STATE = "stack.json"
_WHOLE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


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
        self._run: Run | None = None
        self._recorder: Recorder | None = None
        self._owned: RunSession | None = None
        self._opened = ExitStack()

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
        self._opened.callback(stack.stop)
        redact = config.stash[REDACT]
        learn_target(redact, target)
        teach_secrets(redact, stack.info)
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
        if self._run is not None and self._recorder is not None and self._owned is not None:
            terminalreporter.write_line(f"{self._recorder.written} lines of evidence in {self._run.path}")

    def _end(self, state: Literal["finished", "interrupted"]) -> None:
        if state == "interrupted" and self._owned is not None:
            self._owned.close(state)
        self._opened.close()

    def _find_target_and_stack(self) -> tuple[Target, Stack]:
        selection = self._select()
        if selection.passed_over is not None:
            sys.stderr.write(f"harness: {selection.passed_over}\n")
        if selection.starts:
            sys.stderr.write(f"harness: starting {selection.target.name}\n")
        return selection.target, bring_up(selection, silent)

    def _select(self) -> TargetSelection:
        options = self._config.option
        if not options.stack_file:
            return select_for_pytest(target=options.target, url=options.url)
        target = find_target(options.target) if options.target else _target_of_run(options.run, options.target_file)
        return TargetSelection(target=target, backend="attach", file=Path(options.stack_file))

    def _open_run(self, target: Target, stack: Stack, redact: Redactor) -> Run:
        given = self._config.option.run
        if given:
            return open_run(Path(given), redact)
        from harness.jobs.session import run_session

        self._owned = self._opened.enter_context(run_session("pytest", target, Path("reports"), redact=redact))
        self._opened.enter_context(self._owned.on_stack(stack.info))
        return self._owned.run

    def _dry_context(self) -> Context:
        target = find_target(self._config.option.target)
        info = StackInfo(name="none", backend="attach", target=target.name, url="http://127.0.0.1:9", owned=False)
        surface = Surface(paths=target.pages.open, pages=target.pages.open, openapi="")
        nowhere = Path()
        return Context(
            target=target, info=info, stack_file=nowhere, run=nowhere, surface=surface, active=False, traces=False
        )


def _target_of_run(run: str, target_file: str | None) -> Target:
    """As the runner has it; else as the run keeps it, without what is secret in it."""
    return target_from_document(read_document(Path(target_file) if target_file else Path(run) / "profile.json"))


def _count_waits(info: StackInfo) -> None:
    """A service of somebody else that hangs is waited for less and less, by all processes of the session."""
    if not info.owned and (place := place_of(info.url)):
        count_waits(place, info.state_dir)


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
    info = _INFO.json(stack_file.read_bytes())
    target = _TARGET.data(told["target"])
    learn_target(config.stash[REDACT], target)
    teach_secrets(config.stash[REDACT], info)
    _count_waits(info)
    return Context(
        target=target,
        info=info,
        stack_file=stack_file,
        run=Path(told["run"]),
        surface=_SURFACE.data(told["surface"]),
        active=told["active"],
        traces=told["traces"],
    )
