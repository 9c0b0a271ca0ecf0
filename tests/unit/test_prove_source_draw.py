"""The draw of source mutants, and which tests can see one."""

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.prove.source.drawing import draw_sources
from harness.prove.source.line_tests import read_line_tests
from harness.prove.source.python import PythonFile
from harness.prove.source.trial import parts_of, within
from harness.pytest_plugin.timeline import SuiteJournal, TimeSpan

SOURCES = {
    "a.py": "LIMIT = 5\n\n\ndef over(n):\n    return n > LIMIT\n",
    "b/c.py": "from a import LIMIT\n\n\ndef left(n):\n    return LIMIT - n\n",
}


@given(st.integers(0, 2**32), st.integers(0, 30))
def test_a_seed_gives_the_same_mutants_each_once(seed, n):
    drawn = draw_sources(seed, n, SOURCES)
    assert drawn == draw_sources(seed, n, SOURCES)
    assert (
        len({one.defect.id for one in drawn}) == len({(one.edit.file, one.edit.after) for one in drawn}) == len(drawn)
    )
    assert len(drawn) <= n
    for one in drawn:
        assert one.edit.before == SOURCES[one.edit.file]
        assert ast.dump(ast.parse(one.edit.before)) != ast.dump(ast.parse(one.edit.after))


def test_all_are_drawn_where_more_are_wanted():
    assert {one.edit.file for one in draw_sources(1, 10_000, SOURCES)} == set(SOURCES)


def test_no_operator_crowds_out_the_others():
    text = "def f(a, b):\n    if a < b:\n        return [" + ", ".join(map(str, range(300))) + "]\n"
    drawn = draw_sources(3, 60, {"m.py": text})
    assert sum(one.edit.operator == "boundary" for one in drawn) == 1
    assert len({one.edit.operator for one in drawn}) >= 6


def test_a_file_that_is_no_python_is_named():
    with pytest.raises(ConfigError, match=r"broken\.py: cannot be parsed"):
        draw_sources(1, 1, {"broken.py": "def f(:\n"})


def told(tmp_path, *epochs, command=("python", "-m", "service")):
    lines = [
        json.dumps({"command": command, "begin": begin, "end": end, "files": files}) for begin, end, files in epochs
    ]
    (tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl").write_text("\n".join(lines) + '\n{"command": ["half')


JOURNAL = SuiteJournal(
    tests=[TimeSpan(name="t1", begin=1, end=2), TimeSpan(name="t2", begin=3, end=4)],
    shared=[TimeSpan(name="rig", begin=1.2, end=1.4)],
    users={"rig": ["t1", "t2"]},
)


def change(file, operator):
    found = [one.make() for one in PythonFile(file, SOURCES[file]).changes() if one.operator == operator]
    return found[0]


def test_lines_belong_to_the_tests_that_ran_meanwhile(tmp_path):
    told(tmp_path, (1.5, 1.6, {"a.py": [5]}), (3.1, 3.2, {"b/c.py": [5]}))
    found = read_line_tests(tmp_path, [JOURNAL])
    assert found.of(change("a.py", "boundary"), SOURCES) == {"t1"}
    assert found.of(change("b/c.py", "arithmetic"), SOURCES) == {"t2"}


def test_who_says_a_name_sees_what_defines_it(tmp_path):
    told(tmp_path, (0.1, 0.2, {"a.py": [1]}), (1.5, 1.6, {"a.py": [5]}), (3.1, 3.2, {"b/c.py": [5]}))
    assert read_line_tests(tmp_path, [JOURNAL]).of(change("a.py", "constant"), SOURCES) == {"t1", "t2"}


def test_what_a_shared_fixture_did_is_done_for_all_who_use_it(tmp_path):
    told(tmp_path, (1.25, 1.3, {"a.py": [5]}))
    assert read_line_tests(tmp_path, [JOURNAL]).of(change("a.py", "boundary"), SOURCES) == {"t1", "t2"}


def test_what_no_test_ran_nobody_sees(tmp_path):
    told(tmp_path, (0.1, 0.2, {"a.py": [5]}))
    assert read_line_tests(tmp_path, [JOURNAL]).of(change("a.py", "boundary"), SOURCES) == frozenset()


def test_what_prepares_the_data_is_no_part_of_the_service(tmp_path):
    told(tmp_path, (0.1, 0.2, {"a.py": [5]}), command=("python", "seed.py"))
    told(tmp_path, (1.5, 1.6, {"b/c.py": [5]}))
    assert read_line_tests(tmp_path, [JOURNAL], besides=[("python", "seed.py")]).files == {"b/c.py"}


def test_the_test_that_is_about_the_file_comes_first(tmp_path):
    told(tmp_path, (1.5, 1.6, {"a.py": [5]}), (3.1, 3.2, {"a.py": [1, 4, 5], "b/c.py": [5]}))
    found = read_line_tests(tmp_path, [JOURNAL])
    assert found.nearest("a.py", ["t1", "t2"]) == ("t2", "t1")


@pytest.mark.parametrize(
    ("most", "chosen"), [(0, ("a",)), (5, ("a", "c")), (30, ("a", "b", "c")), (float("inf"), ("a", "b", "c"))]
)
def test_what_would_take_too_long_is_not_tried(most, chosen):
    assert within(("a", "b", "c"), {"a": 4, "b": 20, "c": 1}, most) == chosen


@given(st.lists(st.floats(0, 50), max_size=40))
def test_parts_hold_each_test_once_in_order_and_grow(durations):
    tests = [f"t{number}" for number in range(len(durations))]
    seconds = dict(zip(tests, durations, strict=True))
    parts = parts_of(tests, seconds)
    assert [test for part in parts for test in part] == tests
    for number, part in enumerate(parts):
        assert len(part) == 1 or sum(seconds[test] for test in part) <= 4 * 2**number + 1e-6


def test_a_service_that_tells_nothing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="told which lines it ran"):
        read_line_tests(tmp_path, [JOURNAL])
