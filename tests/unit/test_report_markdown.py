"""`summary.md` and `CHECKLIST.md`."""

import re
from dataclasses import replace

from harness.model import Outcome
from harness.report.markdown import MANUAL_ITEMS, checklist, summary
from harness.report.sources import read_run
from tests import report_runs
from tests.report_lines import PATHS, criterion, measured_line, seen


def read(tmp_path, scenario, **how):
    return read_run(report_runs.write_run(tmp_path, scenario, **how))


def test_the_summary_says_verdict_why_and_what_is_not_proven(tmp_path):
    run = read(tmp_path, report_runs.no_go())
    text = summary(run, ["Allure report not built: Node is missing"])
    assert text.startswith("## NO-GO: dealradar\n")
    assert "2 of 15 required criteria fail: security.headers, ratelimit." in text
    rows = re.findall(
        r"^\| (\S+?)(?: \(optional\))? \| (fail|inconclusive|not run|waived|not applicable) \|", text, re.MULTILINE
    )
    assert rows == [
        ("security.headers", "fail"),
        ("ratelimit", "fail"),
        ("load.latency", "inconclusive"),
        ("security.cors", "waived"),
        ("e2e.pages", "not applicable"),
    ]
    assert "R. Okafor" in text
    assert "3 tests: the stack has no mail server" in text
    assert "- Allure report not built: Node is missing" in text
    assert f"folder of run `{run.facts.run}`" in text


def test_the_summary_has_a_line_a_cause(tmp_path):
    lines = [
        seen(
            "e2e",
            "api.read",
            f"GET {path}",
            Outcome.FAIL,
            message="it is <b>slow</b>",
            remedy="Add an index.",
            severity="minor",
        )
        for path in PATHS
    ]
    text = summary(read(tmp_path, report_runs.scenario(*lines)))
    (found,) = re.findall(r"^- \*\*minor\*\* .*$", text, re.MULTILINE)
    assert "api.read" in found
    assert "(6 places: GET /, GET /api/deals, GET /api/deals/" in found
    assert found.endswith(", …) *Add an index.*")
    assert "<b>" not in found.replace("\\<", "")


def test_the_summary_of_a_proven_run_is_short(tmp_path):
    text = summary(read(tmp_path, report_runs.go()))
    assert text.startswith("## GO: dealradar\n")
    assert "Every criterion of the policy is proven." in text


def test_the_summary_of_a_killed_run_claims_nothing(tmp_path):
    text = summary(read(tmp_path, report_runs.go(), judged=False, state="running"))
    assert text.startswith("## NO VERDICT: dealradar\n")
    assert "counts as proven" in text
    assert "GO:" not in text


def test_a_hostile_table_keeps_its_columns(tmp_path):
    for line in summary(read(tmp_path, report_runs.hostile())).splitlines():
        if line.startswith("| security.input"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 6
            assert "<script" not in line.replace("\\<", "")
            return
    raise AssertionError("the hostile criterion has no row")


def test_the_checklist_ticks_what_is_proven_and_nothing_else(tmp_path):
    text = checklist(read(tmp_path, report_runs.no_go()))
    ticked = re.findall(r"^- \[x\] `([^`]+)`", text, re.MULTILINE)
    empty = re.findall(r"^- \[ \] `([^`]+)`", text, re.MULTILINE)
    assert len(ticked) == 11
    assert "security.csp" in ticked
    assert set(empty) >= {"security.headers", "ratelimit", "load.latency", "security.cors", "e2e.pages"}
    assert {item for item, _ in MANUAL_ITEMS} <= set(empty)


def test_the_checklist_ticks_a_way_back_only_where_it_was_walked_and_says_what_it_took(tmp_path):
    scenario = report_runs.go()
    wanted = criterion("rollback.full", "rollback.full", "Corrupted data are set back.")
    policy = replace(scenario.policy, criteria=(*scenario.policy.criteria, wanted))
    took = measured_line("rollback", "rollback.recovered", "full", "value", 2.5, [2.5, 2.5], "s", 1, "exact")
    passed = seen("rollback", "rollback.full", "corrupted data")
    for extra, line in (
        ((passed, took), "- [x] `rollback.full` Corrupted data are set back.: **pass** (2.5 s until recovered)"),
        ((took,), "- [ ] `rollback.full` Corrupted data are set back.: **not run**"),
    ):
        walked = replace(scenario, policy=policy, observations=(*scenario.observations, *extra))
        text = checklist(read(tmp_path / str(len(extra)), walked))
        assert line in text, [one for one in text.splitlines() if "rollback" in one]


def test_the_checklist_of_a_killed_run_ticks_nothing(tmp_path):
    assert "[x]" not in checklist(read(tmp_path, report_runs.go(), judged=False, state="interrupted"))
