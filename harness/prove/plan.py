"""Checks everything that a proof needs before anything starts."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from random import Random

from harness.config import load_policy
from harness.errors import ConfigError, UsageError
from harness.jobs.gate_plan import check_policy, known_checks, suites_of
from harness.machine.bundle import root
from harness.model import Policy, Target
from harness.prove.catalogue import choose_defects, fitting, load_catalogue
from harness.prove.model import Defect, ProofPlan
from harness.runner.discovery import Suite, choose, find_suites, suites_for
from harness.stack.source_copy import ServiceSource, check_patch, read_patch, source_of

CATALOGUE, CONTROL_PATCH = "defects", "control.patch"
SOURCES = "service"
"""What the patches of our own catalogue touch."""
DRAWN = 20
"""How many mutants the random draw takes where nobody says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRequest:
    """What was asked for on the command line, of which defects, and how."""

    policy: str
    catalogue: Path | None = None
    """None for our own. Its patches are of DealRadar: before another target they are left out."""
    kinds: Collection[str] = ()
    areas: Collection[str] = ()
    only: Collection[str] = ()
    without: Sequence[str] = ()
    changed: str | None = None
    healthy: int | None = None
    jobs: int | None = None
    full: bool = False
    resume: bool = False
    draw: int | None = None
    seed: int | None = None
    sample: int | None = None
    active: bool = False

    @property
    def is_partial(self) -> bool:
        """Does it ask for a part of the catalogue, for which some suites may be enough?"""
        return bool(self.only or self.areas) or self.sample is not None


def make_proof_plan(
    target: Target, request: ProofRequest, *, overrides: Mapping[str, str], url: str = "", out: Path
) -> ProofPlan:
    """Read catalogue and policy, choose defects and suites, and see that every patch still applies.

    With a `url`, of a service that somebody else runs, only wire mutants are left. Raises ConfigError and UsageError,
    both before anything starts.
    """
    suites = suites_of(target)
    checks = known_checks(suites)
    policy = load_policy(request.policy, root())
    check_policy(policy, target, suites)
    suites = suites_for(policy, suites, request.without)
    source = None if url else source_of(target)
    seed = secrets.randbelow(10**6) if request.seed is None else request.seed
    defects = _sampled(_chosen(request, policy, checks, source, url), request.sample, seed)
    drawn_in = _drawn_in(request, source)
    chosen = choose(suites, _suites_for(defects, policy, checks, suites) if request.is_partial else (), request.without)
    wire, sources = _tries_wire(request, defects, url), "source" in request.kinds
    return ProofPlan(
        target=target,
        overrides=overrides,
        policy=policy,
        suites=tuple(suite.name for suite in chosen),
        narrowed=_left_out(suites, chosen),
        defects=defects,
        catalogue=request.catalogue or root() / CATALOGUE,
        control=_control(request.catalogue, source),
        healthy=_healthy_runs(request, defects),
        jobs=request.jobs or os.cpu_count() or 1,
        full=request.full,
        resume=request.resume,
        out=out,
        url=url,
        active=request.active,
        wire=wire,
        source=sources,
        draw=_mutants_to_draw(request) if wire or sources else 0,
        changed=drawn_in,
        seed=seed,
        asked=_narrowing(request),
    )


def _drawn_in(request: ProofRequest, source: ServiceSource | None) -> frozenset[str] | None:
    """The files of the service in which source mutants are drawn; None for all of them.

    Raises UsageError for a service without sources here, and where none of its files changed.
    """
    if "source" not in request.kinds or request.changed is None or source is None:
        return None
    folder = source.top / source.folder
    changed = _changed_files(source.top, request.changed)
    names = frozenset(file.relative_to(folder).as_posix() for file in changed if file.is_relative_to(folder))
    if not names:
        raise UsageError(f"--changed {request.changed}: no file of {folder} differs: there is nothing to draw in")
    return names


def _left_out(suites: Sequence[Suite], chosen: Sequence[Suite]) -> str:
    names = sorted({suite.name for suite in suites} - {suite.name for suite in chosen})
    return f"--without {','.join(names)}" if names else ""


def _healthy_runs(request: ProofRequest, defects: Sequence[Defect]) -> int:
    if request.healthy is not None:
        return request.healthy
    return int(any(one.kind == "patch" for one in defects))


def _tries_wire(request: ProofRequest, defects: Sequence[Defect], url: str) -> bool:
    if url or any(one.kind == "wire" for one in defects):
        return True
    return bool(request.draw) and set(request.kinds) != {"source"}


def _mutants_to_draw(request: ProofRequest) -> int:
    if request.draw is not None:
        return request.draw
    return 0 if request.is_partial else DRAWN


def _control(catalogue: Path | None, source: ServiceSource | None) -> Path | None:
    """The catalogue's patch that changes nothing that runs; our own is for DealRadar alone. Raises as `check_patch`."""
    patch = (catalogue or root() / CATALOGUE) / CONTROL_PATCH
    if source is None or not patch.is_file() or (catalogue is None and source.top != root()):
        return None
    read_patch(patch, source.folder.as_posix())
    check_patch(patch, source.top)
    return patch


def _narrowing(request: ProofRequest) -> str:
    """What of the command line leaves defects or suites out."""
    words = [f"--kind {kind}" for kind in dict.fromkeys(request.kinds)]
    for option, names in (("--area", request.areas), ("--only", request.only), ("--without", request.without)):
        words += [f"{option} {shlex.quote(','.join(names))}"] if names else []
    words += [f"--sample {request.sample}"] if request.sample is not None else []
    words += [f"--changed {shlex.quote(request.changed)}"] if request.changed is not None else []
    return " ".join(words)


def _sampled(defects: tuple[Defect, ...], n: int | None, seed: int) -> tuple[Defect, ...]:
    """`n` defects by that seed, of each kind about its share and at least one, in the catalogue's order."""
    if n is None or n >= len(defects):
        return defects
    chance = Random(seed)  # noqa: S311 - to be repeated, no secret
    kinds = sorted({one.kind for one in defects})
    taken: set[str] = set()
    for kind in kinds:
        ids = [one.id for one in defects if one.kind == kind]
        taken.update(chance.sample(ids, min(len(ids), max(1, round(n * len(ids) / len(defects))))))
    return tuple(one for one in defects if one.id in taken)


def _chosen(
    request: ProofRequest, policy: Policy, checks: Mapping[str, frozenset[str]], source: ServiceSource | None, url: str
) -> tuple[Defect, ...]:
    kinds = _wire_alone(request.kinds, url) if url else request.kinds
    written = tuple(kind for kind in kinds if kind != "source")
    if kinds and not written:
        return ()
    known = _known_defects(request.catalogue, policy, checks, source)
    defects = choose_defects(fitting(known, policy), kinds=written, areas=request.areas, only=request.only)
    if request.changed is not None:
        defects = _touching(defects, request.changed, source)
    if not defects and not url and "source" not in request.kinds:
        raise UsageError("no defect is left to try: there is nothing to prove; ask for more of the catalogue")
    _check_patches(defects, source)
    return defects


def _known_defects(
    catalogue: Path | None, policy: Policy, checks: Collection[str], source: ServiceSource | None
) -> tuple[Defect, ...]:
    if catalogue is None:
        return _our_own(policy, checks, patches=source is not None and source.top == root())
    return load_catalogue(catalogue, policy, checks, source.folder.as_posix() if source else SOURCES)


def _check_patches(defects: Sequence[Defect], source: ServiceSource | None) -> None:
    for defect in defects:
        if source is not None and defect.kind == "patch":
            check_patch(defect.folder / defect.patch, source.top)


def _wire_alone(kinds: Collection[str], url: str) -> tuple[str, ...]:
    if set(kinds) - {"wire"}:
        raise UsageError(f"--url {url}: only --kind wire needs no source; leave the other kinds out")
    return ("wire",)


def _our_own(policy: Policy, checks: Collection[str], *, patches: bool) -> tuple[Defect, ...]:
    """Our own catalogue, checked against all suites of ours, as it can be tried where suites write these `checks`."""
    known = load_catalogue(root() / CATALOGUE, policy, _checks_of_all().union(checks), SOURCES)
    return tuple(_without_absent_check(one, checks) for one in known if patches or one.kind != "patch")


def _without_absent_check(defect: Defect, checks: Collection[str]) -> Defect:
    """Where no suite writes the expected check, any of the criterion will do."""
    wanted = defect.expect.check
    if not wanted or any(fnmatchcase(wanted, one) for one in checks):
        return defect
    return replace(defect, expect=replace(defect.expect, check=""))


def _checks_of_all() -> frozenset[str]:
    """Checks of our own suites, those for one target alone included."""
    targets = {folder.name for folder in (root() / "suites").glob("*/*") if folder.is_dir()}
    found = (suite for name in sorted(targets) for suite in find_suites(root(), name, ()))
    return frozenset(check for suite in found for check in suite.checks)


def _suites_for(
    defects: Sequence[Defect], policy: Policy, checks: Mapping[str, frozenset[str]], suites: Sequence[Suite]
) -> tuple[str, ...]:
    """Suites that write what the expected criteria look at: for a few defects, the others need not run."""
    pairs = product(checks, _looked_at(defects, policy))
    writers = {name for check, pattern in pairs if _overlap(check, pattern) for name in checks[check]}
    names = tuple(suite.name for suite in suites)
    # choose() takes an empty list for all of them
    return tuple(name for name in names if name in writers) or names[:1]


def _looked_at(defects: Sequence[Defect], policy: Policy) -> set[str]:
    wanted = {one.expect.criterion for one in defects}
    return {check for one in policy.criteria if one.id in wanted for check in one.select.checks}


def _overlap(check: str, pattern: str) -> bool:
    """Either may be a glob: a suite writes some checks with a computed part."""
    return fnmatchcase(check, pattern) or fnmatchcase(pattern, check)


def _touching(defects: Sequence[Defect], ref: str, source: ServiceSource | None) -> tuple[Defect, ...]:
    """Defects in files that changed: a patch by what it touches, any by what lies in its own folder."""
    if source is None:
        raise UsageError(f"--changed {ref}: a service at a --url has no sources here; leave it out")
    changed = _changed_files(source.top, ref)
    return tuple(
        one
        for one in defects
        if any(one.folder.resolve() in file.parents for file in changed)
        or (one.kind == "patch" and changed & {source.top / name for name in _touched(one, source)})
    )


def _touched(defect: Defect, source: ServiceSource) -> tuple[str, ...]:
    return read_patch(defect.folder / defect.patch, source.folder.as_posix())


def _changed_files(top: Path, ref: str) -> frozenset[Path]:
    """Files that differ from that revision, committed or not. Raises ConfigError."""
    if ref.startswith("-"):
        raise ConfigError(f"--changed {ref}: is no revision; a branch, a tag or a commit was expected")
    try:
        done = subprocess.run(
            ["git", "-C", str(top), "diff", "--name-only", "--relative", "--end-of-options", ref, "--"],
            capture_output=True,
            text=True,
            timeout=30.0,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"--changed {ref}: git cannot be asked ({error})") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or "git knows no such revision"
        raise ConfigError(f"--changed {ref}: {said}")
    return frozenset(top / name for name in done.stdout.splitlines())
