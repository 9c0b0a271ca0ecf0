"""From a policy's TOML files to a `Policy` (DESIGN 4.6). What can never rule honestly is refused here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.config.toml_reader import TomlFile, Where, nearest, read_toml
from harness.errors import ConfigError
from harness.model import ABSENT_WORDS, Criterion, Policy, Select, Threshold

ALL_PASS = "all pass"  # noqa: S105 - a demand
STARTUP = Criterion(
    id="startup",
    area="startup",
    select=Select(checks=("startup",)),
    requires="The service starts and becomes ready while its stack answers.",
    waivable=False,
)
"""Part of every policy: required, not waivable."""

_MOST = 10**9
_MOST_RETRIES = 10
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_GLOB = re.compile(r"[A-Za-z0-9_.*?-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Select:
    check: str | tuple[str, ...]
    suite: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Criterion:
    id: str
    area: str
    select: _Select
    demand: str | Threshold = ALL_PASS
    requires: str = ""
    required: bool = True
    weight: float = 1.0
    min_n: int = 1
    needs: str | None = None
    target: str | None = None
    allow_skip: tuple[str, ...] = ()
    waivable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    schema: int
    extends: str | None = None
    max_flaky: int | None = None
    retries: int | None = None
    clean_build: bool | None = None
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
        max_flaky=base.max_flaky if written.max_flaky is None else written.max_flaky,
        retries=base.retries if written.retries is None else written.retries,
        clean_build=base.clean_build if written.clean_build is None else written.clean_build,
    )


def _read(file: TomlFile) -> _Policy:
    schema = file.document.get("schema")
    if schema != 1 or isinstance(schema, bool):
        found = "is missing" if schema is None else f"is {schema!r}"
        raise file.error(f"{found}; `schema = 1` was expected, this harness knows no other", ("schema",))
    written = file.read(_Policy)
    for key, number, most in (("max_flaky", written.max_flaky, _MOST), ("retries", written.retries, _MOST_RETRIES)):
        if number is not None and number < 0:
            raise file.error(f"0 or more was expected, not {number}", (key,))
        if number is not None and number > most:
            raise file.error(f"at most {most:,} was expected, not {number}", (key,))
    return written


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
        if not _GLOB.fullmatch(check):
            what = f"a check id was expected, with '*' and '?' as wildcards, not {check!r}"
            raise file.error(what, (*at, "select", "check"))
    if not checks:
        raise file.error("an empty list selects nothing", (*at, "select", "check"))
    return Criterion(
        id=entry.id,
        area=entry.area,
        select=Select(checks=checks, suite=entry.select.suite, subject=entry.select.subject),
        demand=None if isinstance(entry.demand, str) else entry.demand,
        requires=entry.requires,
        required=entry.required,
        weight=entry.weight,
        min_n=entry.min_n,
        needs=entry.needs,
        target=entry.target,
        allow_skip=entry.allow_skip,
        waivable=entry.id != STARTUP.id if entry.waivable is None else entry.waivable,
        source=f"{file.path.name}:{file.line(at)}",
    )


def _check_entry(file: TomlFile, entry: _Criterion, at: Where) -> None:
    if not _ID.fullmatch(entry.id):
        what = f"{entry.id!r} is no id; small letters, digits, '.', '-' and '_' make one"
        raise file.error(what, (*at, "id"))
    if not entry.area.strip():
        raise file.error("an area was expected, such as 'security'", (*at, "area"))
    if isinstance(entry.demand, str) and entry.demand != ALL_PASS:
        what = f'"{ALL_PASS}" or {{stat, op, value, unit}} was expected, not {entry.demand!r}'
        raise file.error(what, (*at, "demand"))
    if isinstance(entry.demand, Threshold) and not entry.demand.stat:
        raise file.error("the name of a statistic was expected, such as 'p99'", (*at, "demand", "stat"))
    if entry.weight > _MOST or entry.min_n > _MOST:
        key = "weight" if entry.weight > _MOST else "min_n"
        raise file.error(f"at most {_MOST:,} was expected", (*at, key))
    if entry.weight <= 0:
        raise file.error(f"a weight above 0 was expected, not {entry.weight:g}", (*at, "weight"))
    if entry.min_n < 1:
        raise file.error(f"1 or more was expected, not {entry.min_n}", (*at, "min_n"))
    if entry.needs is not None and entry.needs not in ABSENT_WORDS:
        raise file.error(f"unknown word {entry.needs!r}; {nearest(entry.needs, ABSENT_WORDS)}", (*at, "needs"))
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
    }
    for key, is_weaker in weaker.items():
        if is_weaker:
            what = "criterion 'startup' selects check 'startup', is required of every target and cannot be waived"
            raise file.error(what, (*at, key))
