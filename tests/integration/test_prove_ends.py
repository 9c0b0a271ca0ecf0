"""What `harness prove` leaves for a later gate, and how it refuses what it cannot do; over a small service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.prove.results import RESULTS
from harness.run import changed_files, is_sealed
from harness.stack.ports import free_port
from tests.gate_target import SUITE, Small, make_small

pytestmark = pytest.mark.timeout(600)

SEEN = """\
kind = "wire"
area = "own"
title = "An item is not found"
why = "A route was renamed."
operator = "R4XX"
where = { operation = "GET /item", status = "200" }
args = { to = 404 }
expect = { criterion = "own", check = "own.answers" }
"""
UNSEEN = SEEN.replace('"R4XX"', '"drop-header"').replace("{ to = 404 }", '{ header = "Referrer-Policy" }')
BASE = 'kind = "patch"\narea = "own"\ntitle = "x"\nwhy = "x"\npatch = "change.patch"\nexpect = { criterion = "own" }\n'
LIE = 'kind = "gate"\narea = "own"\ntitle = "x"\nwhy = "x"\nlie = "LIE"\nexpect = { exit = 2, says = "x" }\n'
PATCH = "--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small", 'cwd = "service"')
    (made.folder / "service").mkdir()
    (made.folder / "service.py").rename(made.folder / "service" / "service.py")
    yield made
    made.end()


def write(small: Small, name: str, text: str, file: str = "service/service.py", id_: str = "") -> None:
    """A defect of the catalogue."""
    folder = small.folder / "defects" / name
    folder.mkdir(parents=True)
    (folder / "defect.toml").write_text(f'id = "{id_ or name}"\n{text}', encoding="utf-8")
    (folder / "change.patch").write_text(PATCH.format(file=file), encoding="utf-8")


def aimed(small: Small) -> list[str]:
    return ["--target", str(small.profile), "--policy", str(small.policy), "--out", str(small.out)]


def prove(small: Small, *words: str, catalogue: str = "defects") -> subprocess.CompletedProcess[str]:
    where = ["--catalogue", str(small.folder / catalogue)]
    return small.harness("prove", *aimed(small), *where, *words, seconds=550)


def newest(small: Small) -> Path:
    """The newest gate."""
    gates = [path for path in (small.out / "runs").iterdir() if '"gate"' in (path / "run.json").read_text()]
    return max(gates, key=lambda path: path.name)


def test_a_later_gate_of_the_same_sources_shows_the_proof_and_of_others_none(small):
    write(small, "seen", SEEN)
    write(small, "unseen", UNSEEN)
    done = prove(small, "--only", "seen,unseen", "--draw", "2", "--seed", "7")
    assert done.returncode == 1, done.stderr
    assert "NOT PROVEN  1 of 2 defects detected (wire 1 of 2)" in done.stdout
    assert "✗ survived       unseen" in done.stdout
    folder = (small.out / "prove" / "latest").resolve()
    document = json.loads((folder / "proof.json").read_text(encoding="utf-8"))
    assert {one["id"]: one["outcome"] for one in document["defects"]} == {"seen": "killed", "unseen": "survived"}
    assert {"operation": "GET /item", "facet": "status 200", "state": "guarded"} in document["guarded"]
    assert {"operation": "GET /item", "facet": "header referrer-policy", "state": "unguarded"} in document["guarded"]
    assert document["healthy_checks"] == ["own.answers"]
    page = (folder / "index.html").read_text(encoding="utf-8")
    for place in document["folders"].values():
        assert (folder / place).is_dir()
        assert f'href="{place}/"' in page
    assert is_sealed(small.run)
    assert changed_files(small.run) == ()
    assert small.document("run.json")["kind"] == "prove"
    assert {line["subject"]: line["outcome"] for line in small.evidence() if line["check"] == "prove.defect"} == {
        "seen": "pass",
        "unseen": "fail",
    }

    small.harness("gate", *small.aimed, "-n", "1")
    gate = newest(small)
    assert (gate / "artifacts" / "proof.json").read_bytes() == (folder / "proof.json").read_bytes()
    assert "1 of 2 defects detected" in (gate / "report" / "index.html").read_text(encoding="utf-8")
    assert changed_files(gate) == ()

    small.profile.write_text(small.profile.read_text().replace("timeout_s = 2", "timeout_s = 3"))
    small.harness("gate", *small.aimed, "-n", "1")
    other = newest(small)
    assert other != gate
    assert not (other / "artifacts" / "proof.json").exists()
    assert "Nothing has shown that this gate can say no" in (other / "report" / "index.html").read_text()
    assert small.left() == []


@pytest.mark.parametrize(
    ("defects", "says"),
    [
        ([("one", SEEN, ""), ("two", SEEN, "one")], "the id 'one' is used in"),
        ([("one", SEEN.replace('"own",', '"owm",'), "")], "unknown criterion 'owm' of policy policy"),
        ([("one", SEEN.replace('"own.answers"', '"own.answer"'), "")], "no suite writes 'own.answer'"),
        ([("one", SEEN.replace("R4XX", "R6XX"), "")], "unknown operator 'R6XX'"),
        ([("one", LIE, "")], "unknown lie 'LIE'"),
        ([], "an empty catalogue proves nothing"),
    ],
    ids=["two equal ids", "criterion", "check", "operator", "lie", "empty"],
)
def test_a_wrong_catalogue_is_one_line_and_exit_2(small, defects, says):
    (small.folder / "defects").mkdir()
    for name, text, id_ in defects:
        write(small, name, text, id_=id_)
    done = prove(small)
    refused(done, small, says)


def test_a_patch_outside_of_the_service_is_refused(small):
    write(small, "one", BASE, file="policy.toml")
    refused(prove(small), small, "touches policy.toml, which lies outside service/")


def test_without_a_catalogue_there_is_nothing_to_prove(small):
    refused(prove(small, catalogue="nowhere"), small, "no folder there; give one with --catalogue")


def test_a_test_that_fails_on_the_healthy_service_convicts_no_mutant_and_hides_none(small):
    write(small, "unseen", UNSEEN)
    red = "\n@pytest.mark.check('own.aaa')\ndef test_aaa(client):\n    assert client.get('/item').status_code == 418\n"
    small.suite(SUITE.replace("import pytest\n", f"import pytest\n{red}"))
    words = ["--without", "cache,e2e,load,resilience,security", "--draw", "12", "--seed", "7", "--json"]
    document = json.loads(prove(small, *words).stdout)
    assert document["healthy"]["false_alarms"] == 1
    drawn = {one["outcome"]: one for one in document["draw"]["defects"]}
    assert "misattributed" not in drawn
    assert drawn["killed"]["checks"] == ["own.answers"]


@pytest.mark.parametrize("words", [("--kind", "patch"), ("--kind", "gate")], ids=" ".join)
def test_a_service_at_a_url_is_for_the_wire_alone(small, words):
    write(small, "one", SEEN)
    url = f"http://127.0.0.1:{free_port()}"
    refused(prove(small, "--url", url, *words), small, "only --kind wire needs no source")


def refused(done: subprocess.CompletedProcess[str], small: Small, says: str) -> None:
    """One line that says what is wrong, exit 2, and nothing begun."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr.splitlines()[0]
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not small.out.exists()


def test_an_upstream_that_is_not_there_is_exit_4(small):
    write(small, "one", SEEN)
    url = f"http://127.0.0.1:{free_port()}"
    done = prove(small, "--wire", "--url", url)
    assert done.returncode == 4, done.stdout + done.stderr
    assert url in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (small.out / "prove" / "latest" / "proof.json").exists()


def test_a_full_disk_is_exit_4_and_no_proof(small):
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here: a small file system cannot be mounted for one process")
    write(small, "one", SEEN)
    small.out.mkdir()
    how = [unshare, "-m"] if os.geteuid() == 0 else [unshare, "-rm"]
    mount = f"mount -t tmpfs -o size=32k tmpfs '{small.out}' || exit 77; "
    words = ["prove", *aimed(small), "--catalogue", str(small.folder / "defects"), "--only", "*", "--draw", "0"]
    command = " ".join(f"'{word}'" for word in [sys.executable, "-m", "harness", *words])
    left = f"; status=$?; ls '{small.out}'/prove/latest/ > '{small.folder}/left'; exit $status"
    ran = subprocess.run(
        [*how, "sh", "-c", mount + command + left],
        cwd=small.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "SMALL_TOKEN": small.token},
    )
    if ran.returncode == 77 or "unshare: " in ran.stderr:
        pytest.skip(f"no file system can be mounted here: {ran.stderr.strip()}")
    assert ran.returncode == 4, ran.stdout + ran.stderr
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ran.stderr
    assert "No space left on device" in errors[0]
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    assert "proof.json" not in (small.folder / "left").read_text()
    assert small.left() == []


def test_half_a_result_is_tried_again(small):
    write(small, "seen", SEEN)
    first = prove(small, "--only", "*", "--draw", "0", "--json")
    assert first.returncode == 0, first.stderr
    results = small.out / "prove" / "latest" / RESULTS
    results.write_bytes(results.read_bytes()[:-30])
    again = prove(small, "--only", "*", "--draw", "0", "--json", "--resume")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["detected"] == 1
    assert len(results.read_bytes().splitlines()) == 1
