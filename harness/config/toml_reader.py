"""TOML files that people write, read so that every error names file, line, key and what was expected.

Dataclasses are the schemas: a key that is no field is unknown, a field without a default must be there.
"""

from __future__ import annotations

import difflib
import io
import math
import operator
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar, cast

import toml_rs
from msgspec import inspect as schema

from harness.errors import ConfigError
from harness.machine.nesting import toml_too_deep

T = TypeVar("T")
Where = tuple[str | int, ...]
"""A place in a document: keys and, in lists, indices from 0."""


_MOST_NAMED = 40
_MOST_BYTES = 2**20
_WRITTEN_AS: Mapping[type[schema.Type], type | tuple[type, ...]] = {
    schema.StrType: str,
    schema.LiteralType: str,
    schema.BoolType: bool,
    schema.IntType: int,
    schema.FloatType: (int, float),
    schema.DateType: date,
    schema.VarTupleType: list,
    schema.DictType: Mapping,
    schema.DataclassType: Mapping,
}
_WORDS: Mapping[type[schema.Type], str] = {
    schema.StrType: "text in quotes",
    schema.BoolType: "true or false",
    schema.IntType: "a whole number",
    schema.FloatType: "a number",
    schema.DateType: "a date",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown word: the nearest known one, else what is known, so far as one reads it."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    if not words:
        return "none is known"
    rest = len(words) - _MOST_NAMED
    return f"known: {', '.join(words[:_MOST_NAMED])}" + (f", and {rest} more" if rest > 0 else "")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A parsed file with the line of each key."""

    path: Path
    document: Mapping[str, Any]
    lines: Mapping[Where, int]

    def read(self, kind: type[T]) -> T:
        """The whole document as that dataclass. Raises `ConfigError`."""
        return cast("T", _convert(self, self.document, schema.type_info(kind), ()))

    def has(self, at: Where) -> bool:
        """Is the key written in the file?"""
        value: Any = self.document
        for step in at:
            if isinstance(step, str):
                if not isinstance(value, Mapping) or step not in value:
                    return False
            elif not isinstance(value, list) or step >= len(value):
                return False
            value = value[step]
        return True

    def line(self, at: Where) -> int | None:
        """Line of the key, or of the nearest thing around it that has one."""
        for length in range(len(at), 0, -1):
            if at[:length] in self.lines:
                return self.lines[at[:length]]
        return None

    def error(self, what: str, at: Where = ()) -> ConfigError:
        """An error about the key at `at`."""
        return ConfigError(what, path=self.path, line=self.line(at), key=dotted(at))

    def refuse_if(self, is_broken: object, what: str, at: Where = ()) -> None:
        """Raises `error` where a rule is broken."""
        if is_broken:
            raise self.error(what, at)

    def check_word(self, word: str, known: Collection[str], at: Where, kind: str = "word") -> None:
        """Raises `error`, with the nearest one, for a word that is none of these."""
        if word not in known:
            raise self.error(f"unknown {kind} {word!r}; {nearest(word, known)}", at)

    def check_folder(self, folder: str, at: Where) -> None:
        """Raises `error` where there is none."""
        self.refuse_if(not Path(folder).is_dir(), f"no such folder: {folder} (it is relative to the profile)", at)


def dotted(at: Where) -> str:
    """`service.prepare[2]`; list places are counted from 1, as people do."""
    text = ""
    for step in at:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += f".{step}" if text else step
    return text


def read_toml(path: Path) -> TomlFile:
    """Parse a file. Raises `ConfigError` with the line of a syntax error, or why the file cannot be read."""
    try:
        text = _content(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("no such file", path=path) from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path=path) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", path=path) from None
    deep = toml_too_deep(text)
    if deep is not None:
        raise ConfigError(f"{deep.what}; write it flatter", path=path, line=deep.line)
    try:
        parsed = toml_rs.load_with_metadata(io.BytesIO(text.encode()))
    except toml_rs.TOMLDecodeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ConfigError(f"is not TOML: {reason}", path=path, line=error.lineno) from None
    lines: dict[Where, int] = _headers(text)
    _collect(parsed.value, parsed.meta["nodes"], (), lines)
    return TomlFile(path=path, document=parsed.value, lines=lines)


def _content(path: Path) -> bytes:
    """What the file holds. Raises `ConfigError` for what is no file and for what nobody wrote by hand."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError("is no regular file; write it to one", path=path)
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ConfigError(
            f"is larger than {_MOST_BYTES // 2**20} MiB; a file that a person wrote was expected", path=path
        )
    return content


def _collect(value: object, meta: Any, at: Where, lines: dict[Where, int]) -> None:  # noqa: ANN401 - the parser's
    """Note the line of every key: the parser's positions have the document's shape, with wrappers around values."""
    if isinstance(meta, Mapping) and any(isinstance(meta.get(key), str) for key in ("key_raw", "value_raw")):
        line = meta.get("key_line", meta.get("value_line"))
        if at and line is not None:
            lines[at] = line if isinstance(line, int) else line[0]
        meta = meta["value"]
    for key, inner, node in _members(value, meta):
        _collect(inner, node, (*at, key), lines)


def _members(value: object, meta: Any) -> Iterator[tuple[str | int, object, object]]:  # noqa: ANN401 - the parser's
    """Key, value and position of what is in a table or a list."""
    if isinstance(value, Mapping) and isinstance(meta, Mapping):
        yield from ((key, value[key], meta[key]) for key in value if key in meta)
    elif isinstance(value, list) and isinstance(meta, list):
        yield from ((index, *pair) for index, pair in enumerate(zip(value, meta, strict=False)))


def _headers(text: str) -> dict[Where, int]:
    """Lines of `[table]` headers, for which the parser gives none; a table that has none stands where it first occurs.

    Each line that looks like a header is parsed alone, so quoted keys come out right. A look-alike inside a text or a
    list names a table that does not exist, or is corrected by the key's own position.
    """
    own: dict[Where, int] = {}
    around: dict[Where, int] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        if not raw.lstrip().startswith("[") or toml_too_deep(raw) is not None:
            # what looks deep was inside a text: the file as a whole is not
            continue
        try:
            value: Any = toml_rs.loads(raw)
        except toml_rs.TOMLDecodeError:
            continue
        at: tuple[str, ...] = ()
        while isinstance(value, dict) and len(value) == 1:
            key, value = next(iter(value.items()))
            around.setdefault(at, number)
            at = (*at, key)
        if not isinstance(value, list):
            own[at] = number
    return around | own


def _convert(file: TomlFile, value: Any, kind: schema.Type, at: Where) -> Any:  # noqa: ANN401 - of that type
    """The value as the schema's type says; raises `ConfigError` at its place."""
    if isinstance(kind, schema.UnionType):
        return _convert(file, value, _member(file, value, kind.types, at), at)
    if not _fits(value, kind):
        raise file.error(f"{_expected(kind)} was expected, not {_written(value)}", at)
    match kind:
        case schema.DataclassType():
            return _table(file, value, kind, at)
        case schema.DictType(key_type=outer, value_type=inner):
            entries = ((key, (*at, key)) for key in value)
            return {_convert(file, key, outer, here): _convert(file, value[key], inner, here) for key, here in entries}
        case schema.VarTupleType(item_type=inner):
            return tuple(_convert(file, item, inner, (*at, index)) for index, item in enumerate(value))
        case schema.Metadata(type=inner):
            return _bounded(file, _convert(file, value, inner, at), kind, at)
    return _plain(file, value, kind, at)


def _plain(file: TomlFile, value: Any, kind: schema.Type, at: Where) -> Any:  # noqa: ANN401 - of that type
    match kind:
        case schema.LiteralType(values=words) if value not in words:
            raise file.error(f"{value!r} is not one of its words; {nearest(value, map(str, words))}", at)
        case schema.FloatType() if not math.isfinite(value):
            raise file.error(f"a finite number was expected, not {value}", at)
        case schema.FloatType():
            return float(value)
    return value


def _bounded(file: TomlFile, value: Any, kind: schema.Metadata, at: Where) -> Any:  # noqa: ANN401 - of that type
    """The value, if it keeps the bounds of its type; what was expected is the type's description."""
    match kind.type:
        case schema.StrType(pattern=str(pattern)):
            within = re.search(pattern, value) is not None
        case schema.IntType(gt=above, ge=least, le=most) | schema.FloatType(gt=above, ge=least, le=most):
            bounds = ((above, operator.gt), (least, operator.ge), (most, operator.le))
            within = all(bound is None or keeps(value, bound) for bound, keeps in bounds)
        case _:
            raise TypeError(f"no schema may use {kind!r}")
    if not within:
        shown = repr(value) if isinstance(value, str) else f"{value:g}"
        raise file.error(f"{(kind.extra_json_schema or {})['description']} was expected, not {shown}", at)
    return value


def _table(file: TomlFile, value: Mapping[str, Any], kind: schema.DataclassType, at: Where) -> object:
    fields = {field.name: field for field in kind.fields}
    for key in value:
        if key not in fields:
            raise file.error(f"unknown key; {nearest(key, fields)}", (*at, key))
    for name, field in fields.items():
        if field.required and name not in value:
            raise file.error(f"is missing ({_expected(field.type)} was expected)", (*at, name))
    return kind.cls(**{key: _convert(file, item, fields[key].type, (*at, key)) for key, item in value.items()})


def _member(file: TomlFile, value: object, types: tuple[schema.Type, ...], at: Where) -> schema.Type:
    """Which type of a union the value is written as; TOML has no null, so None never is."""
    present = [kind for kind in types if not isinstance(kind, schema.NoneType)]
    if len(present) == 1:
        return present[0]
    for kind in present:
        if _fits(value, kind):
            return kind
    raise file.error(f"{' or '.join(map(_expected, present))} was expected, not {_written(value)}", at)


def _fits(value: object, kind: schema.Type) -> bool:
    if isinstance(kind, schema.AnyType):
        return True
    if isinstance(kind, schema.Metadata):
        return _fits(value, kind.type)
    # Python counts true among the numbers, and a moment among the dates; nobody who writes TOML does
    if isinstance(value, bool | datetime):
        return isinstance(value, bool) and isinstance(kind, schema.BoolType)
    return isinstance(value, _WRITTEN_AS[type(kind)]) and not _is_too_large(value)


def _is_too_large(value: object) -> bool:
    """A whole number beyond the 64 bits that TOML asks for."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _expected(kind: schema.Type) -> str:
    match kind:
        case schema.Metadata(type=inner):
            return _expected(inner)
        case schema.LiteralType(values=words):
            return f"one of {', '.join(repr(word) for word in words)}"
        case schema.VarTupleType(item_type=inner):
            return f"a list ({_expected(inner)} each)"
        case schema.UnionType(types=types):
            return " or ".join(_expected(one) for one in types if not isinstance(one, schema.NoneType))
    return _WORDS.get(type(kind), "a table")


def _written(value: object) -> str:
    """The value as its author would name it, short."""
    match value:
        case bool():
            return str(value).lower()
        case int() if _is_too_large(value):
            return "a number that 64 bits do not hold"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value if len(value) <= 40 else value[:40] + '…'!r}"
        case list():
            return "a list"
        case date() | time():
            return f"the date or time {value}"
    return "a table"
