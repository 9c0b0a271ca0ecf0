"""Which suites and checks there are, read from sources: what a policy may select."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from harness.config import load_policy
from harness.errors import ConfigError, UsageError
from harness.machine.bundle import root
from harness.runner.discovery import Suite, choose, find_suites, suites_for
from harness.runner.sources import read_tests


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


def checks(folder: Path, text: str) -> set[str]:
    return set(read_tests(write(folder / "test_it.py", text), "e2e").checks)


def suite(folder: Path, name: str, target: str = "small") -> Suite:
    return next(found for found in find_suites(folder, target) if found.name == name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def test_health(): ...", {"e2e.health"}),
        ("@pytest.mark.check('health.live')\ndef test_health(): ...", {"health.live"}),
        ("@mark.check('health.live')\ndef test_health(): ...", {"health.live"}),
        ("ID = 'health.live'\n@pytest.mark.check(ID)\ndef test_health(): ...", {"health.live"}),
        ("pytestmark = pytest.mark.check('all.of.it')\ndef test_a(): ...\ndef test_b(): ...", {"all.of.it"}),
        ("pytestmark = [pytest.mark.writes, pytest.mark.check('all')]\ndef test_a(): ...", {"all"}),
        ("pytestmark = pytest.mark.check('all')\n@pytest.mark.check('one')\ndef test_a(): ...", {"one"}),
        ("@pytest.mark.check('two')\n@pytest.mark.check('one')\ndef test_a(): ...", {"one"}),
        ("@pytest.mark.check('of.class')\nclass TestIt:\n    def test_a(self): ...", {"of.class"}),
        ("class TestIt:\n    pytestmark = pytest.mark.check('of.class')\n    def test_a(self): ...", {"of.class"}),
        (
            "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.check('one')), 2])\ndef test_a(x): ...",
            {"one", "e2e.a"},
        ),
        ("@pytest.mark.check(f'headers.{NAME}')\ndef test_a(): ...", {"headers.*"}),
        ("def test_a(measure):\n    measure('cache.ratio', 1)", {"e2e.a", "cache.ratio"}),
        ("def test_a(measure):\n    measure(f'cache.{path}.ratio', 1)", {"e2e.a", "cache.*.ratio"}),
        ("def test_a(record):\n    record(Observation(suite='e2e', check='seen.it'))", {"e2e.a", "seen.it"}),
        ("def test_a(record):\n    record(model.Observation(check=f'{a}.{b}'))", {"e2e.a", "*.*"}),
        ("def helper():\n    def test_inner(): ...\nclass Helper:\n    def test_b(self): ...", set()),
        ("@pytest.mark.check(compute())\ndef test_a(): ...", {"e2e.a"}),
        ("def test_a(:", set()),
    ],
)
def test_ids_are_read_as_pytest_would_find_them(tmp_path, text, found):
    assert checks(tmp_path, text) == found


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("def test_a(): ...", {"shared"}),
        ("@pytest.mark.alone\ndef test_a(): ...\ndef test_b(): ...", {"alone", "shared"}),
        ("pytestmark = [pytest.mark.beside, pytest.mark.timeout(400)]\ndef test_a(): ...", {"beside"}),
        ("@pytest.mark.alone\nclass TestIt:\n    def test_a(self): ...", {"alone"}),
        ("def test_a(:", {"shared"}),
    ],
    ids=["none", "function", "module", "class", "a file that is no Python is run, so that it shows"],
)
def test_a_suite_says_which_turns_its_tests_take(tmp_path, text, turns):
    write(tmp_path / "suites" / "e2e" / "test_it.py", text)
    assert suite(tmp_path, "e2e").turns == turns


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def test_health(): ...", {"e2e.health"}),
        ("@pytest.mark.check('two')\n@pytest.mark.check('one')\ndef test_a(): ...", {"one"}),
        ("pytestmark = pytest.mark.check('all')\n@pytest.mark.check('one')\ndef test_a(): ...", {"one"}),
        ("@pytest.mark.check('of.class')\nclass TestIt:\n    def test_a(self): ...", {"of.class"}),
        # which parameters there are, and so which check, is known when it runs
        (
            "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.check('one')), 2])\ndef test_a(x): ...",
            set(),
        ),
        ("@pytest.mark.check(f'headers.{NAME}')\ndef test_a(): ...", set()),
        ("@pytest.mark.check(compute())\ndef test_a(): ...", set()),
        # measured only if the test gets that far
        ("@pytest.mark.check('one')\ndef test_a(measure):\n    measure('cache.ratio', 1)", {"one"}),
        ("def test_a(:", set()),
    ],
)
def test_a_suite_promises_the_checks_that_its_tests_prove_in_any_case(tmp_path, text, found):
    write(tmp_path / "suites" / "e2e" / "test_it.py", text)
    assert suite(tmp_path, "e2e").promised == found


@pytest.fixture
def tree(tmp_path) -> Path:
    suites = tmp_path / "suites"
    write(suites / "conftest.py", "")
    write(suites / "e2e" / "test_all.py", "def test_all(): ...")
    write(suites / "e2e" / "other_test.py", "def test_other(): ...")
    write(suites / "e2e" / "helper.py", "def test_no(): ...")
    write(suites / "e2e" / "small" / "test_own.py", "def test_own(): ...")
    write(suites / "e2e" / "small" / "deep" / "test_deep.py", "def test_deep(): ...")
    write(suites / "e2e" / "large" / "test_foreign.py", "def test_foreign(): ...")
    write(suites / "security" / "large" / "test_foreign.py", "def test_foreign(): ...")
    write(suites / "__pycache__" / "test_no.py", "def test_no(): ...")
    write(suites / ".hidden" / "test_no.py", "def test_no(): ...")
    return tmp_path


def test_of_target_folders_only_the_targets_own_is_read(tree):
    assert suite(tree, "e2e").checks == {"e2e.all", "e2e.other", "e2e.own", "e2e.deep"}
    assert suite(tree, "e2e").paths == (tree / "suites" / "e2e", tree / "suites" / "e2e" / "small")
    assert suite(tree, "e2e", "large").checks == {"e2e.all", "e2e.other", "e2e.foreign"}
    assert suite(tree, "e2e", "unknown").checks == {"e2e.all", "e2e.other"}
    assert suite(tree, "e2e", "unknown").paths == (tree / "suites" / "e2e",)


def test_a_suite_without_a_test_for_the_target_is_none(tree):
    assert [found.name for found in find_suites(tree, "small")] == ["e2e"]
    assert [found.name for found in find_suites(tree, "large")] == ["e2e", "security"]


def test_the_targets_own_folders_are_suites_too(tree, tmp_path):
    folder = tmp_path / "elsewhere" / "contract"
    write(folder / "deep" / "test_it.py", "def test_it(): ...")
    found = find_suites(tree, "small", [folder])[-1]
    assert (found.name, found.paths, found.checks) == ("contract", (folder,), {"contract.it"})
    with pytest.raises(ConfigError, match=r"gone: \[suites\] paths: no folder there"):
        find_suites(tree, "small", [tmp_path / "gone"])


def test_suites_are_narrowed_by_name_and_a_name_that_is_none_lists_them(tree):
    suites = find_suites(tree, "large")
    assert [found.name for found in choose(suites, ["e2e"], [])] == ["e2e"]
    assert [found.name for found in choose(suites, [], ["e2e"])] == ["security"]
    assert choose(suites, [], []) == suites
    assert choose(suites, ["e2e"], ["e2e"]) == ()
    for only, without in ((["e2"], []), ([], ["e2"])):
        with pytest.raises(UsageError, match="no suite 'e2'; suites: e2e, security"):
            choose(suites, only, without)


def test_the_projects_own_suites_are_read():
    suites = {found.name: found for found in find_suites(root(), "dealradar")}
    assert {"cache", "e2e", "load", "security"} <= set(suites)
    assert {"ratelimit.refused", "headers.hsts"} <= suites["security"].checks
    assert "beside" in suites["security"].turns
    assert "alone" in suites["load"].turns


@pytest.mark.parametrize(
    ("policy", "only", "drills"),
    [
        ("quick", (), set()),
        ("release", (), {"backup", "rollback"}),
        ("quick", ("rollback",), {"rollback"}),
    ],
)
def test_drills_take_a_minute_and_run_where_somebody_asks_for_them(policy, only, drills):
    known = find_suites(root(), "dealradar")
    found = {suite.name for suite in suites_for(load_policy(policy, root()), known, only)}
    assert found & {"backup", "rollback"} == drills
    assert {suite.name for suite in known} - found <= {"backup", "rollback"}
