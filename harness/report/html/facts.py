"""What stands beside the verdict: which build, when, on which machine, how long, and how to do it again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from harness.model import Invocation, RunRecord
from harness.report.html.svg import Scale, element, figure
from harness.report.sources import RunFiles
from harness.report.text import clock, number, one_line, seconds


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase: its bar begins where the one before it ended."""

    name: str
    took: str
    waited: str
    share: float
    figure: Markup


def headline_facts(run: RunFiles) -> tuple[tuple[str, str], ...]:
    """Name and value of each fact under the verdict."""
    facts = run.facts
    build = run.build
    build_words = f"{build.kind} {_short(build.id)}".strip() if build.kind != "unknown" else "unknown"
    stack = facts.stack
    stack_words = "none"
    if stack is not None:
        ours = f"{one_line(stack.backend, 40)}, started by this run"
        stack_words = ours if stack.owned else f"{one_line(stack.url, 200)}, not started by us"
    return (
        ("Build", f"{build_words}, with uncommitted changes" if build.dirty else build_words),
        ("Policy", one_line(run.policy_name, 120)),
        ("Started", clock(facts.start) if facts.start else "not recorded"),
        ("Took", _took(facts)),
        ("Stack", stack_words),
        ("Machine", machine_words(facts, brief=True)),
    )


def machine_words(facts: RunRecord, *, brief: bool = False) -> str:
    """The machine in a few words: its size and its system, in brief by the system's name alone."""
    machine = facts.machine
    words = []
    cpus = machine.get("cpus")
    if isinstance(cpus, int):
        words.append(f"{cpus} CPU" if cpus == 1 else f"{cpus} CPUs")
    memory = machine.get("memory_mib")
    if isinstance(memory, int | float):
        words.append(f"{number(memory / 1024, 2)} GiB")
    system = machine.get("system")
    if isinstance(system, str):
        name, _, _ = system.partition("-")
        words.append(one_line(name if brief else system, 120))
    return ", ".join(words) or "not recorded"


def version_rows(facts: RunRecord) -> tuple[tuple[str, str], ...]:
    """Versions, and what else a run depends on."""
    rows = [(one_line(name, 60), one_line(version, 80)) for name, version in facts.versions.items()]
    if facts.commit:
        rows.append(("commit of the folder it ran in", _short(facts.commit)))
    rows += [(f"seed of {one_line(name, 60)}", one_line(str(seed), 80)) for name, seed in facts.seeds.items()]
    if facts.stack is not None and facts.stack.overrides:
        rows.append(("settings overridden", one_line(", ".join(facts.stack.overrides), 400)))
    return tuple(rows)


def phase_rows(facts: RunRecord) -> tuple[PhaseRow, ...]:
    """All phases in their order."""
    phases = [phase for phase in facts.phases if phase.seconds >= 0]
    total = sum(phase.seconds for phase in phases)
    if total <= 0:
        return ()
    scale = Scale(0.0, total, 0.0, 600.0)
    rows, begun = [], 0.0
    for phase in phases:
        name = one_line(phase.name, 80)
        waited = min(max(0.0, phase.waited), phase.seconds)
        ended = begun + phase.seconds
        rows.append(
            PhaseRow(
                name=name,
                took=seconds(phase.seconds),
                waited=seconds(waited) if waited else "",
                share=phase.seconds / total,
                figure=figure(
                    600.0,
                    14.0,
                    f"{name}: {seconds(phase.seconds)} of {seconds(total)}",
                    element("rect", x=0, y=6.5, width=600, height=1, class_="f-grid-fill"),
                    element(
                        "rect",
                        x=scale(begun),
                        y=1,
                        width=max(2.0, scale(ended) - scale(begun)),
                        height=12,
                        rx=2,
                        class_="f-phase",
                    ),
                    element(
                        "rect",
                        x=scale(begun),
                        y=1,
                        width=scale(begun + waited) - scale(begun),
                        height=12,
                        class_="f-waited",
                    ),
                    class_="phase",
                ),
            )
        )
        begun = ended
    return tuple(rows)


def repeat_commands(run: RunFiles) -> tuple[tuple[str, str], ...]:
    """What each command is for, and the command: each runs as it stands, in whatever folder of this machine.

    Values of overridden settings are not kept in a run: they are taken from the environment.
    """
    facts = run.facts
    folder = shlex.quote(str(run.path.resolve()))
    commands: list[tuple[str, str]] = []
    build = run.build
    if build.kind == "commit" and build.id:
        same = "The commit under it; its uncommitted changes are not kept" if build.dirty else "The same build"
        commands.append((same, f"git checkout {shlex.quote(one_line(build.id, 80))}"))
    if facts.invocation is not None:
        commands.append(("The whole run again", _command(facts.invocation, facts)))
    if run.verdict is not None:
        commands.append(("The ruling again, from this evidence", f"harness judge {folder}"))
    commands.append(("This page again", f"harness report {folder}"))
    if run.manifest_sha256 is not None:
        commands.append(("Has anything changed since?", f"harness verify {folder}"))
    return tuple(commands)


def _command(invocation: Invocation, facts: RunRecord) -> str:
    names = [one_line(name, 80) for name in (facts.stack.overrides if facts.stack is not None else ())]
    words = [shlex.quote(one_line(word, 400)) for word in invocation.command]
    # options end where pytest's words begin
    end = words.index("--") if "--" in words else len(words)
    return " ".join([*words[:end], *(f'--env {shlex.quote(name)}="${name}"' for name in names), *words[end:]])


def _short(identity: str) -> str:
    """A digest's first twelve digits; the whole one stands under "Integrity"."""
    name = one_line(identity, 80)
    bare = name.removeprefix("sha256:")
    return bare[:12] if len(bare) >= 40 and all(char in "0123456789abcdef" for char in bare) else name


def _took(facts: RunRecord) -> str:
    if facts.end is None:
        return "it has no recorded end"
    try:
        took = (datetime.fromisoformat(facts.end) - datetime.fromisoformat(facts.start)).total_seconds()
    except ValueError:
        return "not recorded"
    return seconds(max(0.0, took))
