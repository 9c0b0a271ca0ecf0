"""From a policy's TOML files to a `Policy`, and to a run's `policy.json` and back. What can never rule honestly is
refused here: a policy that could not fail, a criterion that looks at no check there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from harness.config.toml_reader import TomlFile, Where, nearest, read_toml
from harness.config.watch_rules import checked_watch
from harness.errors import BrokenRunError, ConfigError
from harness.machine.decoding import Reader
from harness.model import ABSENT_WORDS, Criterion, Policy, Select, Severity, Target, Threshold, WatchRules

USUAL_POLICY = "web"
"""Of a service whose profile names none."""
ALL_PASS = "all pass"  # noqa: S105 - a demand
STARTUP = Criterion(
    id="startup",
    area="startup",
    select=Select(checks=("startup",)),
    requires="The service starts and becomes ready while its stack answers.",
    waivable=False,
)
"""Part of every policy: required, not waivable."""

T = TypeVar("T")

_MOST = 10**9
_MOST_RETRIES = 10
_POLICY = Reader(Policy)
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_Tolerated = Annotated[int, Meta(ge=0, le=_MOST, description=f"a number from 0 to {_MOST:,}")]
_Hours = Annotated[float, Meta(gt=0, le=_MOST, description="a number of hours above 0")]
_Retries = Annotated[int, Meta(ge=0, le=_MOST_RETRIES, description=f"a number from 0 to {_MOST_RETRIES}")]
_GLOB = re.compile(r"[A-Za-z0-9_.*?-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Select:
    check: str | tuple[str, ...]
    suite: str | None = None
    subject: str | None = None
    severity: Severity | tuple[Severity, ...] = ()
    rest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Criterion:
    id: str
    area: str
    select: _Select
    demand: str | Threshold = ALL_PASS
    requires: str = ""
    required: bool = True
    weight: Annotated[float, Meta(gt=0, le=_MOST, description=f"a weight above 0 and at most {_MOST:,}")] = 1.0
    min_n: Annotated[int, Meta(ge=1, le=_MOST, description=f"a number from 1 to {_MOST:,}")] = 1
    needs: str | None = None
    target: str | None = None
    allow_skip: tuple[str, ...] = ()
    waivable: bool | None = None
    budget: _Tolerated | None = None
    unlock: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    schema: int
    extends: str | None = None
    max_flaky: _Tolerated | None = None
    retries: _Retries | None = None
    clean_build: bool | None = None
    backup_max_age_h: _Hours | None = None
    watch: WatchRules | None = None
    criterion: tuple[_Criterion, ...] = ()


def load_policy(given: str, root: Path) -> Policy:
    """The policy of that name (`root/policies/NAME.toml`) or path, with what it extends.

    Raises `ConfigError` for a file that is missing or wrong, and for a policy that could not fail: one without
    criteria, or without a required criterion beside `startup`.
    """
    path = _find_policy(given, root, Path())
    policy = _load(path, root, ())
    if not policy.criteria:
        raise ConfigError("has no [[criterion]]: it would demand nothing", path=path)
    if not any(criterion.required and criterion.id != STARTUP.id for criterion in policy.criteria):
        what = "no criterion is required (beside `startup`): nothing could be a NO-GO"
        raise ConfigError(what, path=path)
    if all(criterion.id != STARTUP.id for criterion in policy.criteria):
        policy = replace(policy, criteria=(STARTUP, *policy.criteria))
    return replace(policy, name=_name(path, given, root))


def policy_of(target: Target, given: str | None) -> str:
    """Name or path of the policy that rules: the one that was asked for, else the profile's, else the usual one."""
    return given or target.policy or USUAL_POLICY


def _name(path: Path, given: str, root: Path) -> str:
    """The file's stem; a stranger's file that borrows the name of one of ours is called by its path."""
    ours = root / "policies" / path.name
    return given if ours.is_file() and not path.samefile(ours) else path.stem


def _find_policy(given: str, root: Path, beside: Path) -> Path:
    folder = root / "policies"
    is_path = "/" in given or given.endswith(".toml")
    path = beside / given if is_path else folder / f"{given}.toml"
    if path.is_dir():
        raise ConfigError("is a folder; a policy is a TOML file", path=path)
    if not path.is_file():
        names = [one.stem for one in folder.glob("*.toml") if one.name != "waivers.toml"]
        raise ConfigError(f"no policy {given!r}; {nearest(Path(given).stem, names)}", path=path)
    return path


def _load(path: Path, root: Path, above: tuple[Path, ...]) -> Policy:
    """One file over what it extends: its criteria replace those of the same id, new ones follow."""
    file = read_toml(path)
    trail = (*above, path.resolve())
    written = _read(file)
    base = Policy(name="", criteria=())
    if written.extends is not None:
        try:
            parent = _find_policy(written.extends, root, path.parent)
        except ConfigError as error:
            raise file.error(error.message, ("extends",)) from None
        if parent.resolve() in trail:
            circle = " → ".join(one.name for one in (*trail, parent.resolve()))
            raise file.error(f"extends itself in a circle: {circle}", ("extends",))
        base = _load(parent, root, trail)
    criteria = {criterion.id: criterion for criterion in base.criteria}
    criteria |= _criteria(file, written.criterion)
    return Policy(
        name="",
        criteria=tuple(criteria.values()),
        max_flaky=_over(base.max_flaky, written.max_flaky),
        retries=_over(base.retries, written.retries),
        clean_build=_over(base.clean_build, written.clean_build),
        backup_max_age_h=_over(base.backup_max_age_h, written.backup_max_age_h),
        watch=base.watch if written.watch is None else checked_watch(file, written.watch),
    )


def _over(base: T, written: T | None) -> T:
    return base if written is None else written


def _read(file: TomlFile) -> _Policy:
    schema = file.document.get("schema")
    if schema != 1 or isinstance(schema, bool):
        found = "is missing" if schema is None else f"is {schema!r}"
        raise file.error(f"{found}; `schema = 1` was expected, this harness knows no other", ("schema",))
    return file.read(_Policy)


def _criteria(file: TomlFile, entries: tuple[_Criterion, ...]) -> Mapping[str, Criterion]:
    criteria: dict[str, Criterion] = {}
    for index, entry in enumerate(entries):
        at: Where = ("criterion", index)
        if entry.id in criteria:
            first = criteria[entry.id].source.rpartition(":")[2]
            raise file.error(f"the id {entry.id!r} was used before, on line {first}", (*at, "id"))
        criteria[entry.id] = _criterion(file, entry, at)
    return criteria


def _criterion(file: TomlFile, entry: _Criterion, at: Where) -> Criterion:
    _check_entry(file, entry, at)
    checks = (entry.select.check,) if isinstance(entry.select.check, str) else entry.select.check
    for check in checks:
        what = f"a check id was expected, with '*' and '?' as wildcards, not {check!r}"
        file.refuse_if(not _GLOB.fullmatch(check), what, (*at, "select", "check"))
    file.refuse_if(not checks, "an empty list selects nothing", (*at, "select", "check"))
    severity = entry.select.severity
    return Criterion(
        id=entry.id,
        area=entry.area,
        select=Select(
            checks=checks,
            suite=entry.select.suite,
            subject=entry.select.subject,
            severities=(severity,) if isinstance(severity, str) else severity,
            rest=entry.select.rest,
        ),
        demand=None if isinstance(entry.demand, str) else entry.demand,
        requires=entry.requires,
        required=entry.required,
        weight=entry.weight,
        min_n=entry.min_n,
        needs=entry.needs,
        target=entry.target,
        allow_skip=entry.allow_skip,
        waivable=entry.id != STARTUP.id if entry.waivable is None else entry.waivable,
        budget=entry.budget,
        unlock=entry.unlock.strip(),
        source=f"{file.path.name}:{file.line(at)}",
    )


def _check_entry(file: TomlFile, entry: _Criterion, at: Where) -> None:
    what = f"{entry.id!r} is no id; small letters, digits, '.', '-' and '_' make one"
    file.refuse_if(not _ID.fullmatch(entry.id), what, (*at, "id"))
    file.refuse_if(not entry.area.strip(), "an area was expected, such as 'security'", (*at, "area"))
    if isinstance(entry.demand, str):
        what = f'"{ALL_PASS}" or {{stat, op, value, unit}} was expected, not {entry.demand!r}'
        file.refuse_if(entry.demand != ALL_PASS, what, (*at, "demand"))
    else:
        what = "the name of a statistic was expected, such as 'p99'"
        file.refuse_if(not entry.demand.stat, what, (*at, "demand", "stat"))
    if entry.needs is not None:
        file.check_word(entry.needs, ABSENT_WORDS, (*at, "needs"))
    if isinstance(entry.demand, Threshold):
        what = "counts checks that fail; a demand over numbers has none"
        file.refuse_if(entry.budget is not None, what, (*at, "budget"))
        severity: Where = (*at, "select", "severity")
        file.refuse_if(file.has(severity), "numbers have no severity; leave it out", severity)
    if entry.target is not None:
        what = f"{entry.target!r} is the name of no target, which has small letters only"
        file.refuse_if(not _ID.fullmatch(entry.target), what, (*at, "target"))
    if entry.id == STARTUP.id:
        _check_startup(file, entry, at)


def _check_startup(file: TomlFile, entry: _Criterion, at: Where) -> None:
    """`startup` may be described anew, but never weakened."""
    weaker = {
        "select": entry.select not in (_Select(check="startup"), _Select(check=("startup",))),
        "demand": entry.demand != ALL_PASS,
        "required": not entry.required,
        "needs": entry.needs is not None,
        "target": entry.target is not None,
        "allow_skip": bool(entry.allow_skip),
        "waivable": bool(entry.waivable),
        "budget": entry.budget is not None,
        "unlock": bool(entry.unlock),
    }
    for key, is_weaker in weaker.items():
        if is_weaker:
            what = "criterion 'startup' selects check 'startup', is required of every target and cannot be waived"
            raise file.error(what, (*at, key))


def policy_document(policy: Policy) -> dict[str, Any]:
    """The policy as JSON data."""
    document: dict[str, Any] = msgspec.to_builtins(policy)
    return document


def policy_from_document(document: Mapping[str, Any]) -> Policy:
    """The policy of a run. Raises `BrokenRunError` if the document is none."""
    try:
        return _POLICY.data(document)
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"policy.json: is not a policy as this harness writes it ({error})") from error
