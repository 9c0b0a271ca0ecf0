"""Suites outside of the checkout that break what runs them: no test is lost without a word, and none passes for another
(pytest#437, pytest-xdist#1212)."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.stack_target import PROGRAM

pytestmark = pytest.mark.timeout(300)

OK = """
def test_ok(client):
    assert client.exchange("GET", "/").status == 200
"""
MANY = """
import os, pytest

@pytest.mark.parametrize("n", range(8))
def test_many(n):
    if n == 3:
        {end}
    assert n >= 0
"""


@dataclass(frozen=True)
class Ran:
    """What `harness run --json` said, and the run's evidence."""

    status: int
    document: dict[str, Any]
    lines: list[dict[str, Any]]
    phases: list[str]

    def of(self, check: str) -> list[tuple[str, str]]:
        return sorted((line["suite"], line["outcome"]) for line in self.lines if line["check"] == check)


class Desk:
    """A folder with a profile, a service and suites, far from the checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "service.py").write_text(PROGRAM)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    def run(self, *words: str, suites: tuple[str, ...] = ("mine",), workers: int = 2) -> Ran:
        profile = self.folder / "shop.toml"
        profile.write_text(
            'schema = 1\nname = "shop"\n[service]\ncommand = ["python", "service.py"]\n'
            '[health]\nlive = "/live"\n[absent]\nauth = "none"\ncache = "none"\ndatabase = "none"\n'
            f"[suites]\npaths = {json.dumps(suites)}\n"
        )
        names = [Path(suite).name for suite in suites]
        line = [sys.executable, "-m", "harness", "run", *names, "--target", str(profile), "--json", "-n", str(workers)]
        done = subprocess.run(
            [*line, *words], cwd=self.folder, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.stdout, done.stderr
        document = json.loads(done.stdout)
        run = self.folder / "reports" / "runs" / document["run"]
        lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
        phases = [phase["name"] for phase in json.loads((run / "run.json").read_text())["phases"]]
        return Ran(done.returncode, document, lines, phases)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_files_and_fixtures_of_the_same_name_are_each_suites_own(desk: Desk) -> None:
    text = """
        import pytest

        @pytest.mark.check("smoke.own")
        def test_it(own):
            assert own == "{name}"
        """
    for name in ("api", "ui"):
        desk.write(f"tests/{name}/test_smoke.py", dedent(text).format(name=name))
        desk.write(f"tests/{name}/conftest.py", f"import pytest\n\n@pytest.fixture\ndef own():\n    return {name!r}\n")
    ran = desk.run(suites=("tests/api", "tests/ui"))
    assert ran.of("smoke.own") == [("api", "pass"), ("ui", "pass")]
    assert ran.status == 0
    tests = {line["test"] for line in ran.lines if line["check"] == "smoke.own"}
    assert tests == {"api/test_smoke.py::test_it", "ui/test_smoke.py::test_it"}


def test_a_file_in_a_folder_of_a_suite_is_counted(desk: Desk) -> None:
    desk.write("mine/deep/test_it.py", "def test_bad():\n    assert False, 'no'\n")
    ran = desk.run()
    assert (ran.status, ran.document["failed"], ran.of("mine.bad")) == (1, 1, [("mine", "fail")])


def test_a_suite_that_is_a_link_is_called_by_the_links_name(desk: Desk) -> None:
    desk.write("shared/checks/test_it.py", OK)
    (desk.folder / "mine").symlink_to("shared/checks")
    ran = desk.run()
    assert (ran.status, ran.of("mine.ok")) == (0, [("mine", "pass")])


def test_a_fixture_that_is_not_there_is_named(desk: Desk) -> None:
    desk.write("mine/test_it.py", OK + "def test_bad(no_such_fixture):\n    assert no_such_fixture\n")
    ran = desk.run()
    [bad] = [line["detail"]["message"] for line in ran.lines if line["check"] == "mine.bad"]
    assert (ran.status, bad) == (3, "the test wants a fixture 'no_such_fixture', and there is none of that name")


def test_parameters_from_a_set_are_all_tried(desk: Desk) -> None:
    desk.write(
        "mine/test_it.py",
        """
        import pytest

        @pytest.mark.parametrize("path", {"/", "/a", "/b", "/c", "/d"})
        def test_path(path):
            assert path
        """,
    )
    ran = desk.run()
    assert (ran.status, ran.document["passed"]) == (0, 5)


def test_parameters_at_random_name_their_file_once_and_no_other(desk: Desk) -> None:
    random = "import pytest, uuid\n@pytest.mark.parametrize('x', [str(uuid.uuid4())])\ndef test_x(x):\n    assert x\n"
    desk.write("mine/test_it.py", random)
    desk.write("mine/test_good.py", OK)
    ran = desk.run()
    assert (ran.status, ran.document["passed"], ran.document["errors"]) == (3, 0, 1)
    [told] = ran.document["failures"]
    assert (told["suite"], told["check"], told["subject"]) == ("mine", "collection", "mine/test_it.py")
    assert "must not come from a set" in told["detail"]["reason"]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os._exit(5)", "pytest.exit('stop', returncode=0)", "os.abort()", "raise KeyboardInterrupt"]
)
def test_a_process_that_ends_in_the_midst_is_no_pass(desk: Desk, end: str, workers: int) -> None:
    """The first parameters left a line of the check: it is the others that are missing."""
    desk.write("mine/test_it.py", MANY.format(end=end))
    ran = desk.run(workers=workers)
    assert ran.status == 3
    assert ran.document["errors"] >= 1
    assert {line["suite"] for line in ran.document["failures"]} == {"mine"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"conftest.py": "raise RuntimeError('boom')"}, ()),
        ({"deep/conftest.py": "raise RuntimeError('boom')", "deep/test_x.py": OK}, ()),
        ({"test_x.py": "import not_there_at_all"}, ()),
        ({"conftest.py": "def pytest_collection_modifyitems(items):\n    items.clear()"}, ()),
        ({}, ("--", "-k", "no_such_test")),
        ({"test_it.py": "class Helper:\n    pass"}, ()),
    ],
    ids=["conftest", "conftest below", "import", "hook", "deselected", "no test"],
)
def test_what_was_not_collected_is_counted_and_listed(
    desk: Desk, files: dict[str, str], words: tuple[str, ...]
) -> None:
    desk.write("mine/test_it.py", OK)
    for name, text in files.items():
        desk.write(f"mine/{name}", text)
    ran = desk.run(*words)
    assert ran.status == 3
    # once, however many processes saw it
    assert [line["suite"] for line in ran.document["failures"]] == ["mine"]


TURNS = """
    import pytest

    def test_quick():
        assert True

    @pytest.mark.alone
    def test_timed():
        assert True
    """


@pytest.mark.parametrize(
    ("words", "checks"),
    [
        (("-k", "quick"), {"mine.quick"}),
        (("-k", "timed"), {"mine.timed"}),
        (("-m", "alone"), {"mine.timed"}),
        (("-m", "not alone"), {"mine.quick"}),
        ((), {"mine.quick", "mine.timed"}),
    ],
    ids=["another", "it", "its mark", "other marks", "all"],
)
def test_a_turn_is_taken_where_a_test_of_it_is_chosen(desk: Desk, words: tuple[str, ...], checks: set[str]) -> None:
    """A turn alone costs a stack; and each test runs in its own turn, whatever markers it is chosen by."""
    desk.write("mine/test_it.py", TURNS)
    ran = desk.run("--", *words) if words else desk.run()
    seen = [line["check"] for line in ran.lines if line["suite"] == "mine"]
    assert (ran.status, sorted(seen)) == (0, sorted(checks))
    assert ("mine (alone)" in ran.phases) == ("mine.timed" in checks)


def test_exit_codes_of_a_plugin_change_nothing(desk: Desk) -> None:
    desk.write("mine/test_it.py", OK + "def test_bad():\n    assert False, 'no'\n")
    desk.write("mine/conftest.py", "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n")
    ran = desk.run()
    assert (ran.status, ran.document["passed"], ran.document["failed"]) == (1, 1, 1)


def test_text_that_no_file_can_hold_costs_its_own_test_only(desk: Desk) -> None:
    """A half of an emoji, NUL, control characters, bytes that are no text, and a megabyte (pytest-html#12)."""
    desk.write(
        "mine/test_it.py",
        """
        import logging, pytest

        ODD = {
            "half": "Sale " + chr(0xD83D), "nul": "a" + chr(0) + "b", "control": chr(27) + "[31m" + chr(7),
            "ends of lines": chr(0x85) + chr(0x2028),
            "bytes": bytes(range(256)), "surrogateescape": b"\\xff\\xfe".decode(errors="surrogateescape"),
            "huge": chr(0xDC00) * 1_000_000,
        }

        @pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
        @pytest.mark.check("odd.whole", subject="{odd}")
        def test_odd(odd):
            print(odd)
            logging.getLogger("x").warning("%s", odd)
            assert odd == "Sale"

        @pytest.mark.parametrize("n", range(4))
        def test_plain(n):
            assert n >= 0
        """,
    )
    ran = desk.run()
    assert (ran.status, ran.document["failed"], ran.document["passed"], ran.document["errors"]) == (1, 7, 4, 0)
