"""Mutants of a small service's source, drawn and tried by the real command."""

import json
import subprocess

import pytest

from harness.machine.bundle import root
from tests.gate_target import PROGRAM, make_small

pytestmark = pytest.mark.timeout(600)

LOGIC = """\
LIMIT = 10


def double(number):
    if number > LIMIT:
        return LIMIT * 2
    return number * 2


def never():
    return 1 < 2
"""
SUITE = """
import pytest

@pytest.mark.check("own.double")
@pytest.mark.parametrize(("number", "doubled"), [(9, 18), (10, 20), (11, 20)])
def test_double(client, number, doubled):
    assert client.get(f"/item?of={number}").json() == {"double": doubled}

@pytest.mark.check("own.answers")
def test_answers(client):
    assert client.get("/ready").status_code == 200
"""


@pytest.fixture
def small(tmp_path):
    """A service of two files, of which one is small and wholly guarded, but for what no test runs."""
    made = make_small(tmp_path / "small", 'cwd = "service"')
    folder = made.folder / "service"
    folder.mkdir()
    (made.folder / "service.py").unlink()
    program = PROGRAM.replace("import http.server", "import json, logic\nimport http.server").replace(
        """b'{"fine": true}'""", """self.doubled()"""
    )
    program = program.replace('"14"', "str(len(body))").replace(
        "    def answer(self):",
        """    def doubled(self):
        path, _, query = self.path.partition("?of=")
        self.path = path
        return json.dumps({"double": logic.double(int(query or 1))}).encode()

    def answer(self):""",
    )
    program = program.replace(
        "        known = self.path in", "        body = self.doubled()\n        known = self.path in"
    )
    program = program.replace(
        """b"" if self.command == "HEAD" else self.doubled()""", """b"" if self.command == "HEAD" else body"""
    )
    (folder / "service.py").write_text(program)
    (folder / "logic.py").write_text(LOGIC)
    made.suite(SUITE)
    yield made
    made.end()


def prove(small, *words):
    aimed = ["--target", str(small.profile), "--policy", str(small.policy), "--out", str(small.out)]
    others = ",".join(folder.name for folder in (root() / "suites").iterdir() if list(folder.glob("test_*.py")))
    return small.harness("prove", *aimed, "--kind", "source", "--without", others, "--json", *words, seconds=550)


def in_logic(document):
    return {one["id"]: one for one in document["source"]["defects"] if "-logic-" in one["id"]}


def test_what_a_test_reads_is_killed_and_what_none_runs_survives(small):
    done = prove(small, "--draw", "16", "--seed", "5")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    source = document["source"]
    assert source["seed"] == 5
    assert source["interval"][0] <= source["score"] <= source["interval"][1]
    mutants = in_logic(document)
    assert mutants
    for mutant in mutants.values():
        unguarded = "1 < 2" in mutant["before"] or "never" in mutant["before"]
        wanted = ("survived",) if unguarded else ("killed", "stillborn")
        if mutant["equivalent"] is None:
            assert mutant["outcome"] in wanted, mutant
    proof = small.out / "prove" / "latest"
    for name in mutants:
        patch = (proof / "source" / f"{name}.patch").resolve()
        subprocess.run(
            ["git", "apply", "--check", str(patch)], cwd=small.folder, check=True, env={"GIT_DIR": "/dev/null"}
        )
    assert (proof / "index.html").read_text().count("Mutants of the sources") == 1


def test_a_service_that_tells_no_lines_is_refused(small):
    without = small.profile.read_text().replace(
        '"python", "service.py"', '"env", "-u", "PYTHONPATH", "python", "service.py"'
    )
    small.profile.write_text(without)
    done = prove(small, "--draw", "2")
    assert done.returncode == 2, done.stderr
    assert "no process of the service told which lines it ran" in done.stderr
