"""A plan carried out: step by step, each noted before and after, so that it can be taken up wherever it was broken off.

Until the other release is noted as what runs, whatever goes wrong leads back: the former copies are asked again, they
still run, and the new ones end. From then on all leads forward: each step can be repeated, and leaves the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError, StackError
from harness.model import Build, Listener, Noted, Release, StackAdvanced
from harness.rollback.database import (
    SERVER,
    Restoring,
    cache_problems,
    empty_cache,
    log_of,
    remove_beside,
    restore_beside,
    start_beside,
    take_over,
)
from harness.rollback.journal import Entry, Journal, Outcome, Started
from harness.rollback.plan import FORWARD, RollbackPlan, StepName
from harness.rollback.releases import read_history, write_history
from harness.rollback.schema import refuse_gap
from harness.rollback.tables import tables_of
from harness.rollback.verify import Verified, bad_answers, smoke_paths, verify
from harness.stack.build import commit_of, fingerprint
from harness.stack.front_proxy import route_front
from harness.stack.launcher import join_stack
from harness.stack.supervisor.client import RefusedOrderError
from harness.stack.supervisor.process import process_stat
from harness.stack.supervisor.registry import (
    INFO,
    read_info,
    read_owner,
    read_recipe,
    write_info,
    write_owner,
    write_recipe,
)

_MOST_DRAIN_S = 10.0
"""For how long what was asked of the former copies is waited for; what takes longer is cut."""
_MOST_END_S = 10.0
"""For how long a former copy, or a worker amid its work, may take to end by itself."""
_PORT_TRIES = 3
_POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How a rollback ended."""

    outcome: Outcome
    seconds: Mapping[str, float]
    """Of each step."""
    verified: Verified | None
    moments: Mapping[str, float]
    """Step -> the monotonic moment at which it was done, of the steps that this process did."""


class Mover:
    """One rollback of one stack, from its first step or from where it was broken off. Close it."""

    def __init__(self, plan: RollbackPlan, journal: Journal, state: Path, listen: Listener) -> None:
        """Raises StackError where the stack is none that can be moved."""
        self.plan, self.journal, self.listen = plan, journal, listen
        self.path = state / INFO
        self.info = read_info(self.path)
        kept = read_recipe(state).target
        self.target = replace(kept, service=replace(kept.service, cwd=plan.after.cwd))
        self.moments: dict[str, float] = {}
        self.verified: Verified | None = None
        # whoever takes it up begins with names of its own
        self._attempt = journal.begun + 1
        restoring = plan.restoring
        self._values = {"database_url": restoring.database_url} if restoring else {}
        self._stack = join_stack(
            self.path, f"{plan.id}-{self._attempt}", self.target, plan.after.settings, self._values
        )

    def close(self) -> None:
        """Leave the stack as it is."""
        self._stack.stop()

    def run(self) -> Carried:
        """Do all that is not done yet. Raises HarnessError where that fails: then all is as it was, and noted so."""
        steps: Mapping[StepName, Callable[[], Started | None]] = {
            "restore": self._restore,
            "database": self._start_database,
            "start": self._start,
            "switch": self._switch,
            "workers": self._start_workers,
            "record": self._record,
            "stop": self._stop,
            "cache": self._renew_cache,
            "verify": self._verify,
        }
        is_interrupted = False
        for step in [each.name for each in self.plan.steps]:
            try:
                self._do(step, steps[step])
            except KeyboardInterrupt:
                if not self.leads_forward:
                    raise
                # what begins here leads forward, and what is left takes moments: the system is never left between
                is_interrupted = True
                self._do(step, steps[step])
        outcome: Outcome = "unverified" if self.verified is None or self.verified.problems else "done"
        self.journal.append(Entry(kind="ended", outcome=outcome))
        if is_interrupted:
            raise KeyboardInterrupt
        return Carried(
            outcome=outcome, seconds=self.journal.times(), verified=self.verified, moments=dict(self.moments)
        )

    def go_back(self) -> Carried:
        """Ask the former copies alone again, and end what was begun; all is as it was."""
        if self.journal.has_begun("switch"):
            former = [one.url for one in self.plan.instances]
            route_front(self.info, self._stack.supervision, former, self._drain_s)
        for attempt in range(1, self._attempt + 1):
            self._end_attempt(attempt)
        if self.plan.restoring is not None:
            remove_beside(self._stack.supervision, self.plan.restoring)
        self.journal.append(Entry(kind="ended", outcome="back"))
        return Carried(outcome="back", seconds=self.journal.times(), verified=None, moments={})

    @property
    def leads_forward(self) -> bool:
        """Whether the other release may have been noted as what runs: then there is no way back."""
        return any(self.journal.has_begun(step) for step in FORWARD)

    def _do(self, step: StepName, work: Callable[[], Started | None]) -> None:
        if self.journal.is_done(step):
            return
        try:
            self.listen(StackAdvanced(next(each.what for each in self.plan.steps if each.name == step)))
            self.journal.append(Entry(kind="begun", step=step))
            begun = time.monotonic()
            started = work()
            self.moments[step] = time.monotonic()
            self.journal.append(Entry(kind="done", step=step, seconds=self.moments[step] - begun, started=started))
        except BaseException as error:
            if not self.leads_forward:
                self.go_back()
                if isinstance(error, HarnessError):
                    name = self.plan.after.name
                    error.message = f"release {name} did not take over, and all is as it was: {error.message}"
            raise

    # --- the steps, each of which can be repeated

    @property
    def _restoring(self) -> Restoring:
        if self.plan.restoring is None:
            raise StackError(f"the plan of level {self.plan.level} restores no database")
        return self.plan.restoring

    def _restore(self) -> None:
        restore_beside(self._stack.supervision, self.info, self._restoring)

    def _start_database(self) -> Started:
        restoring, plan = self._restoring, self.plan
        pid = start_beside(self._stack.supervision, self.info, restoring)
        for note in refuse_gap(self.target, plan.before, plan.after, restoring.database_url):
            self.listen(Noted(note))
        return Started(tables=dict(tables_of(restoring.database_url)), server=(pid, str(log_of(self.info, restoring))))

    def _start(self) -> Started:
        for attempt in range(1, self._attempt):
            self._end_attempt(attempt)
        wanted = [None] * len(self.plan.instances)
        copies = self._stack.start_copies(self.plan.after.settings, wanted, public=self.info.url)
        return Started(instances=copies)

    def _start_workers(self) -> Started:
        for attempt in range(1, self._attempt):
            self._end_workers(attempt)
        begun = [self._stack.begin_worker({}) for _ in self.plan.workers]
        return Started(workers=tuple(self._stack.await_worker(worker) for worker in begun))

    def _switch(self) -> None:
        started = self.journal.started
        if not route_front(self.info, self._stack.supervision, [one.url for one in started.instances], self._drain_s):
            self.listen(Noted(f"former copies had not answered all within {self._drain_s:g} s, and are ended now"))

    def _record(self) -> None:
        started, plan, state = self.journal.started, self.plan, self.path.parent
        info, history = read_info(self.path), read_history(self.info)
        if history[-1] != plan.after:
            write_history(info, (*history, plan.after))
        recipe = read_recipe(state)
        write_recipe(state, replace(recipe, target=self.target, values={**recipe.values, **self._values}))
        gone = {one.name for one in plan.processes}
        processes, logs = started.processes, {one.name: one.log for one in started.processes}
        pids = {one.name: one.pid for one in processes if one.pid is not None}
        if started.server is not None:
            pids[SERVER], logs[SERVER] = started.server
        write_info(
            replace(
                info,
                instances=started.instances,
                workers=started.workers,
                settings=self._stack.info.settings,
                database_url=self._values.get("database_url", info.database_url),
                overrides=plan.after.settings,
                pids={name: pid for name, pid in info.pids.items() if name not in gone} | pids,
                logs={**info.logs, **logs},
                build=_build_of(plan.after),
            )
        )
        owner = read_owner(state)
        if owner is not None:
            write_owner(state, replace(owner, fingerprint=fingerprint(self.target)))
        self.info = read_info(self.path)

    def _stop(self) -> None:
        stack = self._stack
        former = [one for one in self.plan.processes if self._is_child(one.pid)]
        for one in former:
            with suppress(RefusedOrderError):
                stack.supervision.signal(one.name, "TERM")
        deadline = time.monotonic() + _MOST_END_S
        while any(self._is_child(one.pid) for one in former) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        for one in self.plan.processes:
            self._end(one.name)
        if self.plan.restoring is not None:
            take_over(stack.supervision, self.plan.restoring)

    def _renew_cache(self) -> None:
        info = read_info(self.path)
        empty_cache(info)
        # what is wrong with an answer is for the next step to say
        bad_answers(self.target, info, smoke_paths(self.target), bad_from=400)

    def _verify(self) -> None:
        info, restoring = read_info(self.path), self.plan.restoring
        found = verify(self.target, info, self.journal.tables)
        stale = cache_problems(info, restoring) if restoring else ()
        self.verified = replace(found, problems=(*found.problems, *stale))

    # --- parts of them

    @property
    def _drain_s(self) -> float:
        return min(self.target.service.timeout_s, _MOST_DRAIN_S)

    def _is_child(self, pid: int | None) -> bool:
        stat = process_stat(pid) if pid is not None else None
        return stat is not None and stat[0] not in "ZX" and stat[1] == self.info.supervisor_pid

    def _end_attempt(self, attempt: int) -> None:
        """End whatever an attempt to start may have left; its names are known beforehand."""
        mark = f"{self.plan.id}-{attempt}"
        for number in range(1, len(self.plan.instances) + 1):
            name = f"service-{mark}-{number}"
            for each in (name, *(f"{name}-try-{again}" for again in range(2, _PORT_TRIES + 2))):
                self._end(each)
        self._end_workers(attempt)

    def _end_workers(self, attempt: int) -> None:
        for number in range(1, len(self.plan.workers) + 1):
            self._end(f"worker-{self.plan.id}-{attempt}-{number}")

    def _end(self, name: str) -> None:
        # one that was never started is none that is left
        with suppress(RefusedOrderError):
            self._stack.supervision.stop(name)


def _build_of(release: Release) -> Build:
    return Build(kind="commit", id=release.commit) if release.commit else commit_of(Path(release.cwd))
