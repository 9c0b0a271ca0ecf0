"""Documents that nest without end are told before a parser sees them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import pytest
import toml_rs
from hypothesis import given
from hypothesis import strategies as st

from harness.config.toml_reader import read_toml
from harness.errors import ConfigError
from harness.machine.nesting import MOST_LEVELS, json_too_deep, toml_too_deep

MANY = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * MANY + "]" * MANY,
        "x = " + "{a=" * MANY + "1" + "}" * MANY,
        "a" + ".a" * MANY + " = 1",
        "[a" + ".a" * MANY + "]",
        "[[a" + " . 'a'" * MANY + "]]",
        'x = ["""a"""", ' + "[" * MANY + "]" * MANY + "]",
        "x = ['''a''''', " + "[" * MANY + "]" * MANY + "]",
        r'x = ["\"", ' + "[" * MANY + "]" * MANY + "]",
        'x = """\n[a' + ".a" * MANY + ']\n"""\ny = ' + "[" * MANY + "]" * MANY,
        "x = " + "[\n" * MANY + "]\n" * MANY,
        "x = " + "[ # }]\n" * MANY + "]" * MANY,
    ],
)
def test_a_deep_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "deep.toml"
    path.write_text(f"schema = 1\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"deep\.toml:\d+: .*; write it flatter$") as caught:
        read_toml(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        'x = "' + "[" * MANY + '"',
        'x = """\n[a' + ".a" * MANY + ']\n"""',
        "# " + "[" * MANY,
        "x = '" + "a." * MANY + "'",
    ],
)
def test_what_only_looks_deep_is_read(tmp_path, text):
    path = tmp_path / "flat.toml"
    path.write_text(f"{text}\ny = 1\n", encoding="utf-8")
    assert read_toml(path).document["y"] == 1


QUOTED = st.sampled_from(
    ['"a"', "'a'", '"""a"""', "'''a'''", '"""a"" b"""""', '"[.{"', "'[.{'", r'"\"["', "1.5", '"""\n[\n"""']
)


@given(
    value=st.recursive(
        QUOTED,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
            | st.lists(inner, max_size=3).map(
                lambda parts: "{" + ", ".join(f"k{i} = {one}" for i, one in enumerate(parts)) + "}"
            )
        ),
        max_leaves=40,
    )
)
def test_the_levels_are_those_that_the_parser_finds(value):
    text = "x = " + value
    deepest = _depth(toml_rs.loads(text)["x"])
    assert (toml_too_deep("x = " + "[" * (MOST_LEVELS - deepest) + value + "]" * (MOST_LEVELS - deepest)) is None) or (
        deepest > MOST_LEVELS
    )
    more = MOST_LEVELS - deepest + 1
    assert toml_too_deep("x = " + "[" * more + value + "]" * more) is not None


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@given(
    st.recursive(
        st.none() | st.text(alphabet='[]{}"\\a', max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[{"\\', max_size=3), inner, max_size=3)
        ),
        max_leaves=20,
    )
)
def test_the_levels_of_json_are_counted(value):
    deepest = _depth(value)
    data = json.dumps(value).encode()
    assert not json_too_deep(data, deepest)
    assert deepest == 0 or json_too_deep(data, deepest - 1)


def test_what_is_no_file_is_not_read(tmp_path):

    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ConfigError, match="is no regular file"):
        read_toml(tmp_path / "pipe.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_toml(tmp_path)
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_toml(tmp_path / "large.toml")


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 5000, "9223372036854775808"])
def test_a_number_that_is_none_is_refused(tmp_path, number):
    path = tmp_path / "odd.toml"
    path.write_text(f"value = {number}\n", encoding="utf-8")

    @dataclass(frozen=True)
    class Whole:
        value: float

    with pytest.raises(ConfigError, match=r"odd\.toml:1: ") as caught:
        read_toml(path).read(Whole)
    assert len(str(caught.value)) < 6000
