"""The catalogue of seeded defects: `defect.toml` files, a folder each, checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path

from harness.config import load_policy
from harness.config.toml_reader import TomlFile, nearest, read_toml
from harness.errors import ConfigError
from harness.machine.bundle import root
from harness.model import Criterion, DefectKind, Policy, Status
from harness.prove.gate_lies import LIES
from harness.prove.model import Defect, Expectation, WrittenDefect
from harness.prove.wire.operators import validate
from harness.stack.source_copy import read_patch

FILE = "defect.toml"
_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")
_STATUSES = tuple(status.value for status in Status)


_OWN_KEYS: Mapping[DefectKind, frozenset[str]] = {
    "patch": frozenset({"patch"}),
    "wire": frozenset({"operator", "where", "args", "accepted", "equivalent"}),
    "gate": frozenset({"lie"}),
}
"""Keys that make sense for one kind only."""
_NEEDED: Mapping[DefectKind, str] = {"patch": "patch", "wire": "operator", "gate": "lie"}


def load_catalogue(folder: Path, policy: Policy, checks: Collection[str], source: str) -> tuple[Defect, ...]:
    """Every defect below `folder`, sorted by kind and id.

    `checks` are the ids (with `*` for a computed part) that any suite writes; `source` is the one folder that a patch
    may touch, relative to the repository. Raises ConfigError, naming the file: two equal ids, an unknown criterion,
    check, operator or lie, a patch that touches anything else or cannot be read, no defect at all.
    """
    if not folder.is_dir():
        raise ConfigError("no folder there; give one with --catalogue", path=folder)
    defects: dict[str, Defect] = {}
    for path in sorted(folder.rglob(FILE)):
        defect = _load(read_toml(path), policy, checks, source)
        if defect.id in defects:
            first = defects[defect.id].folder / FILE
            raise ConfigError(f"the id {defect.id!r} is used in {first} too", path=path, key="id")
        defects[defect.id] = defect
    if not defects:
        raise ConfigError(f"holds no {FILE}: an empty catalogue proves nothing", path=folder)
    return tuple(sorted(defects.values(), key=lambda one: (one.kind, one.id)))


def fitting(defects: Iterable[Defect], policy: Policy) -> tuple[Defect, ...]:
    """Those that the policy can notice: a defect that names another one may expect a criterion that it has not."""
    known = {criterion.id for criterion in policy.criteria}
    return tuple(one for one in defects if not one.policy or one.expect.criterion in known)


def choose_defects(
    defects: Iterable[Defect], *, kinds: Collection[str] = (), areas: Collection[str] = (), only: Collection[str] = ()
) -> tuple[Defect, ...]:
    """Narrow the catalogue. Raises ConfigError for a word that no defect has."""
    known = tuple(defects)
    _check_known("--kind", kinds, {one.kind for one in known})
    _check_known("--area", areas, {one.area for one in known})
    _check_known("--only", only, {one.id for one in known})
    return tuple(
        one for one in known if _is_named(one.kind, kinds) and _is_named(one.area, areas) and _is_named(one.id, only)
    )


def _is_named(name: str, words: Collection[str]) -> bool:
    return not words or any(fnmatchcase(name, word) for word in words)


def _check_known(option: str, words: Collection[str], names: Collection[str]) -> None:
    for word in words:
        if not any(fnmatchcase(name, word) for name in names):
            raise ConfigError(f"{option} {word}: no such defect in the catalogue; {nearest(word, names)}")


def _load(file: TomlFile, policy: Policy, checks: Collection[str], source: str) -> Defect:
    written = file.read(WrittenDefect)
    _check_words(file, written)
    _check_expectation(file, written, load_policy(written.policy, root()) if written.policy else policy, checks)
    keys = {one.name: getattr(written, one.name) for one in fields(written)}
    defect = Defect(folder=file.path.parent, **keys)
    if defect.kind == "patch":
        read_patch(defect.folder / defect.patch, source)
    elif defect.kind == "wire":
        validate(defect)
    elif defect.lie not in LIES:
        raise file.error(f"unknown lie {defect.lie!r}; {nearest(defect.lie, LIES)}", ("lie",))
    return defect


def _check_words(file: TomlFile, written: WrittenDefect) -> None:
    if not _ID.fullmatch(written.id):
        raise file.error(f"{written.id!r} is no id; small letters, digits, '.' and '-' make one", ("id",))
    for key in ("area", "title", "why"):
        if not getattr(written, key).strip():
            raise file.error("some words were expected", (key,))
    if written.kind not in _NEEDED:
        raise file.error(f"defects of kind {written.kind!r} are drawn, not written: {', '.join(_NEEDED)}", ("kind",))
    if not getattr(written, _NEEDED[written.kind]):
        raise file.error(f"is missing: a defect of kind {written.kind!r} needs it", (_NEEDED[written.kind],))
    for kind, keys in _OWN_KEYS.items():
        for key in keys:
            if kind != written.kind and file.has((key,)):
                raise file.error(f"belongs to defects of kind {kind!r}, not {written.kind!r}", (key,))


def _check_expectation(file: TomlFile, written: WrittenDefect, policy: Policy, checks: Collection[str]) -> None:
    expect = written.expect
    if expect.status not in _STATUSES:
        raise file.error(f"unknown status {expect.status!r}; {nearest(expect.status, _STATUSES)}", ("expect", "status"))
    if written.kind == "gate":
        _check_gate_expectation(file, expect)
        return
    if expect.exit is not None or expect.says or expect.status != "fail":
        raise file.error("a patch or wire defect expects a criterion to fail, nothing else", ("expect",))
    known = {one.id: one for one in policy.criteria}
    if expect.criterion not in known:
        what = f"unknown criterion {expect.criterion!r} of policy {policy.name}; {nearest(expect.criterion, known)}"
        raise file.error(what, ("expect", "criterion"))
    if expect.check:
        _check_check(file, expect.check, known[expect.criterion], checks)


def _check_check(file: TomlFile, check: str, criterion: Criterion, checks: Collection[str]) -> None:
    if not any(fnmatchcase(check, one) for one in checks):
        raise file.error(f"no suite writes {check!r}; {nearest(check, checks)}", ("expect", "check"))
    selected = criterion.select.checks
    if not any(fnmatchcase(check, one) for one in selected):
        what = f"criterion {criterion.id} does not look at {check!r}, only at {', '.join(selected)}"
        raise file.error(what, ("expect", "check"))


def _check_gate_expectation(file: TomlFile, expect: Expectation) -> None:
    if (expect.exit is None) == (not expect.criterion):
        raise file.error("a lie expects either an exit status or a criterion with its status", ("expect",))
    if expect.exit == 0 or (expect.criterion and expect.status in ("pass", "not_applicable")):
        raise file.error("a lie that ends well proves nothing; expect another end", ("expect",))
    if not expect.says:
        raise file.error("is missing: a piece of what the gate says of it", ("expect", "says"))
