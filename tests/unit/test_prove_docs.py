"""docs/prove.md is held to the code: outcomes, statuses, options, examples."""

import re

from click import Option

from harness.cli.prove import command
from harness.config import load_policy, load_target
from harness.jobs.gate_plan import known_checks, suites_of
from harness.machine.bundle import root
from harness.model import DEFECT_KINDS, MutantStatus
from harness.prove.catalogue import load_catalogue
from harness.prove.proof import proof_document
from tests.pages import blocks, read, rows, section
from tests.prove_proofs import missed_some, recorded

PAGE = read("docs/prove.md")
PATCH = "--- a/service/x\n+++ b/service/x\n@@ -1 +1 @@\n-a\n+b\n"


def firsts(heading: str, columns: int) -> list[str]:
    return [row[0].strip("`") for row in rows(section(PAGE, heading), columns=columns)][1:]


def test_every_outcome_and_kind_has_its_row():
    outcomes = [row[0] for row in rows(section(PAGE, "## What became of a defect"), columns=3)]
    assert set(outcomes) == {"outcome", *(f"`{status}`" for status in MutantStatus)}
    assert firsts("## Kinds of defect", 3) == list(DEFECT_KINDS)


def test_what_is_detected_is_killed_alone():
    detected = {row[0] for row in rows(section(PAGE, "## What became of a defect"), columns=3) if row[2] == "yes"}
    assert detected == {f"`{MutantStatus.KILLED}`"}


def test_every_option_of_its_own_is_told():
    shared = {"--target", "--env", "--policy", "--out", "--share", "--debug", "--jobs", "--draw", "--seed"}
    own = {name for one in command.params if isinstance(one, Option) for name in one.opts} - shared
    text = PAGE + read("docs/wire-mutants.md")
    assert [name for name in sorted(own) if name not in text] == []


def test_the_examples_are_defects_of_each_kind(tmp_path):
    target = load_target("dealradar", root())
    for number, example in enumerate(blocks(PAGE, "toml")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "defect.toml").write_text(example, encoding="utf-8")
        (folder / "change.patch").write_text(PATCH, encoding="utf-8")
    policy = load_policy("quick", root())
    found = load_catalogue(tmp_path, policy, known_checks(suites_of(target)), "service")
    assert sorted((*(one.kind for one in found), "source")) == sorted(DEFECT_KINDS)


def test_the_bounds_of_the_false_alarm_rate_are_right():
    told = re.search(r"rate above (\d+) %: `--healthy 20` brings that to (\d+) %", PAGE)
    assert told is not None
    assert [round(100 * (1 - 0.05 ** (1 / n))) for n in (5, 20)] == [int(each) for each in told.groups()]


def test_every_key_of_the_document_is_told():
    document = proof_document(recorded(missed_some()[0]))
    told = section(PAGE, "## `proof.json`")
    keys = {*document, *document["healthy"], *document["defects"][0], *document["draw"], *document["guarded"][0]}
    assert [key for key in sorted(keys) if f"`{key}`" not in told] == []
