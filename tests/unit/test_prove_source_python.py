"""Mutants of the source: each operator makes its mistake and nothing else, and every change is a program."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.prove.source.edit import equivalent
from harness.prove.source.python import PythonFile
from harness.prove.source.sql import sql_changes


def edits(text, operator=None):
    found = [one for one in PythonFile("m.py", text).changes() if operator in (None, one.operator)]
    return [edit for edit in (one.make() for one in found) if edit is not None]


def after(text, operator):
    return [edit.after.strip() for edit in edits(text, operator)]


CASES = [
    ("boundary", "ok = a < b", ["ok = a <= b"]),
    ("comparison", "ok = a == b", ["ok = a != b"]),
    ("comparison", "ok = a not in b", ["ok = a in b"]),
    ("and-or", "ok = a and b", ["ok = a or b"]),
    ("operand-dropped", "ok = a and b", ["ok = a", "ok = b"]),
    ("arithmetic", "n = a * b", ["n = a // b"]),
    ("constant", "n = 0", ["n = 1"]),
    ("unit", "SECONDS = 60", ["SECONDS = 3600", "SECONDS = 1", "SECONDS = 60000"]),
    ("flag", "f(x=True)", ["f(x=False)"]),
    ("argument-dropped", "f(a, limit=3)", ["f(a)"]),
    ("arguments-swapped", "f(a, b)", ["f(b, a)"]),
    ("zone-dropped", "t = datetime.now(UTC)", ["t = datetime.now()"]),
    ("method-dropped", "n = name.strip()", ["n = name"]),
    ("element-dropped", "x = [a, b]", ["x = [b]", "x = [a]"]),
    ("condition-dropped", "x = [a for a in b if a]", ["x = [a for a in b]"]),
    ("call-dropped", "commit()", ["pass"]),
    ("assignment-dropped", "n += 1", ["pass"]),
    ("raise-dropped", "raise E", ["pass"]),
    ("condition-negated", "if a:\n    b()", ["if not (a):\n    b()"]),
    ("branch", "if a:\n    b()", ["b()"]),
    ("released-early", "with lock:\n    b()", ["with lock:\n    pass\nb()"]),
    ("with-dropped", "with lock:\n    b()", ["b()"]),
    ("except-silent", "try:\n    a()\nexcept E:\n    b()", ["try:\n    a()\nexcept E:\n    pass"]),
    ("except-dropped", "try:\n    a()\nexcept E:\n    b()", ["try:\n    a()\nexcept E:\n    raise"]),
    ("decorator-dropped", "@d\ndef f():\n    pass", ["def f():\n    pass"]),
    ("return-nothing", "def f():\n    return 1", ["def f():\n    return None"]),
    ("await-dropped", "async def f():\n    await g()", ["async def f():\n    g()"]),
    ("loop", "for a in b:\n    break", ["for a in b:\n    continue"]),
]


@pytest.mark.parametrize(("operator", "before", "expected"), CASES)
def test_an_operator_makes_its_mistake(operator, before, expected):
    assert after(before, operator) == expected


SILENT = [
    '"""A docstring of 3 words."""',
    "from a import b",
    "__all__ = ['a', 'b']",
    "if TYPE_CHECKING:\n    from a import b",
    "x: dict[str, int]",
    "def f(a: Literal[1, 2]) -> Annotated[int, 3]: ...",
]


@pytest.mark.parametrize("text", SILENT)
def test_what_does_not_run_is_left_alone(text):
    assert edits(text) == []


def test_an_elif_is_not_torn_out():
    assert after("if a:\n    b()\nelif c:\n    d()", "branch") == []


SQL = "SELECT id FROM deals WHERE author = %(author)s AND price <= %s ORDER BY id DESC LIMIT 5 FOR UPDATE"
SQL_CASES = [
    ("sql-condition", "WHERE true AND price"),
    ("sql-condition", "author = %(author)s ORDER BY"),
    ("sql-comparison", "author <> %(author)s"),
    ("sql-boundary", "price < %s"),
    ("sql-order", "ORDER BY id ASC"),
    ("sql-order", "%s LIMIT 5"),
    ("sql-limit", "DESC FOR UPDATE"),
    ("sql-lock", 'LIMIT 5 "'),
]


@pytest.mark.parametrize(("operator", "piece"), SQL_CASES)
def test_a_statement_in_a_string_loses_a_part(operator, piece):
    found = [text for name, text in sql_changes(f'"{SQL}"') if name == operator]
    assert any(piece in text for text in found), found


@pytest.mark.parametrize(
    "literal",
    ['"where to go and what to limit"', '"SELECT your seat"', "f'{limit} < 5'", '""', '"SELECT a FROM \\"b"', "b'x'"],
)
def test_what_is_no_statement_is_left_alone(literal):
    assert list(sql_changes(literal)) == []


def test_the_and_of_a_between_stays():
    found = [text for _, text in sql_changes('"SELECT a FROM b WHERE c BETWEEN 1 AND 2"')]
    assert '"SELECT a FROM b WHERE true "' in found
    assert not any("BETWEEN 1 " in text and "AND" not in text for text in found)


def test_placeholders_and_braces_stay_whole():
    for _, text in sql_changes('f"""SELECT {_COLUMNS} FROM t WHERE id = %(id)s AND x < {limit(3)}"""'):
        assert text.startswith('f"""')
        assert text.endswith('"""')
        assert "{_COLUMNS}" in text


def test_equal_code_is_equivalent():
    (first,) = edits("x = 2 * 3", "arithmetic")
    assert equivalent(first) == ""
    same = type(first)(file="m.py", operator="o", first=1, last=1, before="x = 1", after="x = (1)  # one")
    assert equivalent(same) == "both compile to the same code"


def test_a_name_and_a_head_lead_to_who_uses_them():
    (limit, *_) = edits("LIMIT = 5\n\ndef f():\n    return LIMIT\n", "constant")
    assert (limit.names, limit.runs_at, limit.first) == (("LIMIT",), (0, 0), 1)
    (head,) = edits("@d\ndef f():\n    a()\n    b()\n", "decorator-dropped")
    assert (head.names, head.runs_at) == (("f",), (3, 4))


def test_the_diff_can_be_applied(tmp_path):
    before = "a = 1\nb = 2\n\n\ndef f(x):\n    return x < b"
    (edit,) = edits(before, "boundary")
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "m.py").write_text(before)
    (tmp_path / "change.patch").write_text(edit.diff("service"))
    subprocess.run(["git", "apply", "change.patch"], cwd=tmp_path, check=True, env={"GIT_DIR": "/dev/null"})
    assert (tmp_path / "service" / "m.py").read_text() == edit.after


_NAMES = st.sampled_from("abc")
_EXPRESSIONS = st.recursive(
    st.one_of(_NAMES, st.integers(0, 99).map(str), st.sampled_from(["True", "None", '"x"'])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["<", "==", "and", "+", "in", "is not"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(inner, inner).map(lambda pair: f"f({pair[0]}, key={pair[1]})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    ),
    max_leaves=6,
)


@given(_EXPRESSIONS)
def test_every_change_is_one_other_program(expression):
    text = f"value = {expression}\n"
    for edit in edits(text):
        compile(edit.after, "m.py", "exec")
        assert edit.after != text
        assert edit.first == edit.last == 1
