"""`harness prove` from its command line, over a small service: what is a kill, and what is none."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest

from tests.gate_target import POLICY, PROGRAM, SUITE, Small, make_small

pytestmark = pytest.mark.timeout(600)
EXPECT = 'expect = { criterion = "own", check = "own.answers" }'
OTHER_SUITE = """
@pytest.mark.check("other.teapot")
def test_no_teapot(client):
    assert client.get("/item").status_code != 418
"""
OTHER_CRITERION = """
[[criterion]]
id = "other"
area = "e2e"
requires = "It is no teapot."
select = { check = "other.*" }
"""


@pytest.fixture
def sources(tmp_path):
    """A service in a folder of its own, so that a patch has something to touch."""
    small = make_small(tmp_path / "small", 'cwd = "service"')
    (small.folder / "service").mkdir()
    (small.folder / "service.py").rename(small.folder / "service" / "service.py")
    small.suite(SUITE + OTHER_SUITE)
    small.policy.write_text(POLICY + OTHER_CRITERION)
    yield small
    small.end()


def plant(small: Small, name: str, old: str, new: str, expect: str = EXPECT) -> None:
    """A patch that puts one line of the program in place of another."""
    folder = small.folder / "defects" / name
    folder.mkdir(parents=True)
    before = PROGRAM.splitlines(keepends=True)
    after = [f"{new}\n" if line == f"{old}\n" else line for line in before]
    diff = difflib.unified_diff(before, after, "a/service/service.py", "b/service/service.py")
    (folder / "change.patch").write_text("".join(diff))
    about = 'area = "own"\ntitle = "A title"\nwhy = "A reason."\npatch = "change.patch"'
    (folder / "defect.toml").write_text(f'id = "{name}"\nkind = "patch"\n{about}\n{expect}\n')


def prove(small: Small, *words: str):
    """`harness prove` over its catalogue; the exit status and, where there is one, the document."""
    aimed = ["--target", str(small.profile), "--policy", str(small.policy), "--out", str(small.out)]
    catalogue = ["--catalogue", str(small.folder / "defects")]
    done = small.harness("prove", *aimed, *catalogue, "--only", "*", "--json", *words, seconds=550)
    return done, json.loads(done.stdout) if done.stdout else None


STATUS = "        status = 200 if known else 404"
WRONG = '        status = 500 if self.path == "/item" else 200'


def test_what_becomes_of_patches(sources):
    plant(sources, "killed", STATUS, WRONG)
    plant(sources, "comment", STATUS, f"{STATUS}  # known")
    plant(sources, "dead", "asked = []", "raise SystemExit(3)")
    plant(sources, "unstartable", "asked = []", "asked = [", 'expect = { criterion = "startup" }')
    done, document = prove(sources)
    assert done.returncode == 1, done.stderr
    found = {one["id"]: one for one in document["defects"]}
    assert {id_: one["outcome"] for id_, one in found.items()} == {
        "killed": "killed",
        "comment": "survived",
        "dead": "misattributed",
        "unstartable": "killed",
    }
    assert found["killed"]["checks"] == ["own.answers"]
    assert "startup" in found["dead"]["reason"]
    assert (document["detected"], document["total"]) == (2, 4)
    assert document["healthy"] | {"false_alarm_upper95": 0} == {
        "runs": 1,
        "false_alarms": 0,
        "false_alarm_upper95": 0,
        "alarms": [],
        "broken": [],
    }
    assert not sources.left()


def test_all_detected_is_exit_0_and_a_resumed_proof_tries_nothing_again(sources):
    plant(sources, "killed", STATUS, WRONG)
    done, document = prove(sources, "--healthy", "2")
    assert done.returncode == 0, done.stderr
    assert document["detected"] == 1
    assert document["healthy"]["runs"] == 2
    for number in (1, 2):
        assert f"healthy {number}: ended, and nothing speaks against it" in done.stderr
    again, resumed = prove(sources, "--resume", "--healthy", "0")
    assert (again.returncode, resumed["defects"]) == (0, document["defects"])


def test_a_service_that_does_not_start_is_no_proof(sources):
    plant(sources, "killed", STATUS, WRONG)
    program = sources.folder / "service" / "service.py"
    program.write_text(PROGRAM.replace("signal.signal(", "sys.exit(7)\nsignal.signal("))
    done, document = prove(sources)
    assert (done.returncode, document) == (4, None)
    assert "does not start without any defect" in done.stderr.splitlines()[0]


def test_a_false_alarm_makes_the_proof_unclear(sources):
    plant(sources, "killed", STATUS, WRONG)
    sources.suite(
        SUITE + OTHER_SUITE + '\n\n@pytest.mark.check("other.odd")\ndef test_odd(client):\n'
        "    assert client.get('/').status_code == 201\n"
    )
    done, document = prove(sources)
    assert done.returncode == 3
    assert document["healthy"]["false_alarms"] == 1
    assert document["healthy"]["alarms"][0].startswith("other is fail")
    assert document["defects"][0]["outcome"] == "killed"


def test_a_patch_that_no_longer_applies_is_named_before_anything_starts(sources):
    plant(sources, "killed", STATUS, WRONG)
    program = sources.folder / "service" / "service.py"
    program.write_text(program.read_text().replace("200 if known else 404", "200 if known else 410"))
    done, document = prove(sources)
    assert (done.returncode, document) == (2, None)
    first = done.stderr.splitlines()[0]
    assert "killed/change.patch: no longer applies" in first
    assert not Path(sources.out).exists()
