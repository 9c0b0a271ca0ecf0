"""A run from its folder to its seal: every job opens, fills and closes it the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from harness.config import policy_document, target_document, waivers_document
from harness.machine.bundle import root
from harness.machine.redaction import Redactor
from harness.machine.secret_values import setting_secrets
from harness.model import Invocation, Policy, RunKind, RunState, StackInfo, Target, Waiver
from harness.run import Reading, Run, create_run, seal, stack_facts
from harness.runner.artifacts import keep_logs, redact_results
from harness.stack.build import commit_of, identify_build
from harness.stack.secrets import teach_secrets


@dataclass(slots=True)
class RunSession:
    """A run that is being filled.

    As a context it closes and seals the run at its end; one that does not come to its end says so, and has no seal.
    """

    run: Run
    target: Target
    redact: Redactor
    state: RunState = "running"
    _reading: Reading | None = field(default=None, init=False)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.path

    def learn(self, info: StackInfo) -> None:
        """Keep the secrets of that stack out of all that the run keeps."""
        teach_secrets(self.redact, info)

    @contextmanager
    def on_stack(self, info: StackInfo) -> Iterator[None]:
        """Say in the run which stack and build it is about, and keep the stack's logs."""
        facts, build = stack_facts(info), identify_build(self.target, info)
        with self.keeping_logs(info):
            self.run.update(lambda record: replace(record, stack=facts, build=build))
            yield

    @contextmanager
    def keeping_logs(self, info: StackInfo, prefix: str = "") -> Iterator[None]:
        """Take the stack's logs into the run before the stack ends, without its secrets."""
        self.learn(info)
        try:
            yield
        finally:
            keep_logs(self.path, info, self.redact, prefix)

    def close(self, state: RunState = "finished") -> Reading:
        """Count the evidence: no line may follow. What the verdict rests on may still be written before the seal."""
        if self._reading is None:
            try:
                redact_results(self.path, self.redact)
            except OSError:
                state = "interrupted"
                raise
            finally:
                self._reading = self.run.close(state)
                self.state = state
        return self._reading

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self.close("interrupted" if kind is not None else "finished")
        if kind is None and self.state == "finished":
            seal(self.path)


def run_session(
    kind: RunKind,
    target: Target,
    out: Path,
    *,
    policy: Policy | None = None,
    waivers: Sequence[Waiver] | None = None,
    narrowed: str = "",
    seeds: Mapping[str, int] | None = None,
    overrides: Mapping[str, str] | None = None,
    redact: Redactor | None = None,
    invocation: Invocation | None = None,
) -> RunSession:
    """Make a run's folder, with everything in it that is known before the start. Raises `UsageError`.

    What is secret in the target, and in the settings that `overrides` change of it, is learned before anything is
    written. `redact` is whoever takes secrets out of the run's files, where the caller has taught one already.
    """
    redact = redact or Redactor()
    redact.learn(setting_secrets(overrides or {}))
    documents: dict[str, object] = {"profile": target_document(target)}
    if policy is not None:
        documents["policy"] = policy_document(policy)
    if waivers is not None:
        documents["waivers"] = waivers_document(waivers)
    run = create_run(
        out,
        kind=kind,
        target=target,
        policy=policy.name if policy else None,
        commit=commit_of(root()).id or None,
        documents=documents,
        redact=redact,
        narrowed=narrowed,
        seeds=seeds,
        invocation=invocation,
    )
    return RunSession(run=run, target=target, redact=redact)
