"""From rulings to a verdict: what makes it GO, what keeps it from that, what waivers may do."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge import judge, verdict_document
from harness.model import Build, Criterion, HeldBack, HoldBackKind, Integrity, Select, Waiver
from harness.model.quoting import quotation
from harness.report.sources import verdict_from_document
from tests.judging import MS, attempt, criterion, line, measured, policy, record, ruling_of, verdict_of

HEADERS = criterion(id="security.headers")
WAIVER = Waiver(criterion="security.headers", owner="jane", reason="the proxy sets it", expires="2026-03-01")


class TestVerdict:
    def test_a_run_whose_required_criteria_all_pass_is_go(self):
        found = verdict_of(HEADERS, line())
        assert (found.verdict, found.score, found.held_back) == ("GO", 100.0, ())
        assert [one.id for one in found.criteria] == ["startup", "security.headers"]

    @pytest.mark.parametrize(
        ("lines", "verdict"),
        [
            ([line("fail")], "NO-GO"),
            ([line("error")], "INCONCLUSIVE"),
            ([line("flaky")], "INCONCLUSIVE"),
            ([line("skip")], "INCONCLUSIVE"),
            ([], "INCONCLUSIVE"),
        ],
    )
    def test_a_required_criterion_that_does_not_pass_decides(self, lines, verdict):
        assert verdict_of(HEADERS, *lines).verdict == verdict

    @pytest.mark.parametrize("outcome", ["fail", "error", "skip"])
    def test_a_criterion_that_is_not_required_decides_nothing(self, outcome):
        extra = criterion("csp.*", id="security.csp", required=False)
        found = judge(policy(HEADERS, extra), (), record(line(), line(outcome, "csp.present")))
        assert (found.verdict, found.score) == ("GO", 100.0)

    def test_a_failed_start_is_no_go(self):
        found = verdict_of(HEADERS, line("fail", "startup", detail={"message": "exit status 3"}), started=False)
        assert found.verdict == "NO-GO"
        assert "exit status 3" in found.criteria[0].reason

    def test_the_score_is_the_weighted_share_of_what_is_required_and_applies(self):
        rules = policy(
            criterion(id="a", weight=2),
            criterion("csp.*", id="b", weight=3),
            criterion("mail.*", id="c", weight=50, needs="mail"),
            criterion("cors.*", id="d", weight=50, required=False),
        )
        found = judge(rules, (), record(line(), absent={"mail": "sends none"}))
        assert found.score == 50.0
        assert found.verdict == "INCONCLUSIVE"

    def test_no_criterion_left_is_a_score_of_nothing(self):
        rule = criterion("mail.*", needs="mail")
        found = judge(replace(policy(rule), criteria=(rule,)), (), record(absent={"mail": "none"}))
        assert found.score == 0.0

    def test_a_criterion_for_another_target_does_not_exist(self):
        other = criterion("csp.*", id="other", target="flask")
        found = judge(policy(HEADERS, other), (), record(line()))
        assert [one.id for one in found.criteria] == ["startup", "security.headers"]
        assert found.verdict == "GO"

    def test_a_policy_that_asks_nothing_of_this_target_cannot_say_go(self):
        found = judge(policy(criterion(target="flask")), (), record(line()))
        assert found.verdict == "INCONCLUSIVE"
        assert "requires nothing of target dealradar" in found.held_back[0].text

    def test_a_policy_of_which_nothing_applies_to_this_target_cannot_say_go(self):
        found = judge(policy(criterion("mail.*", needs="mail")), (), record(line(), absent={"mail": "sends none"}))
        assert [one.status for one in found.criteria] == ["pass", "not_applicable"]
        assert found.verdict == "INCONCLUSIVE"
        assert "requires nothing of target dealradar" in found.held_back[0].text

    def test_a_criterion_that_crashes_is_inconclusive_and_stays_in_the_score(self):
        broken = criterion("load.*", id="broken", demand=replace(MS, op="~"))
        found = judge(policy(broken), (), record(measured(1, [1, 1])))
        assert (found.verdict, found.score) == ("INCONCLUSIVE", 50.0)
        assert "ValueError: no such comparison: '~'" in found.criteria[-1].reason


class TestHeldBack:
    """What keeps a run from GO though every criterion passes."""

    @pytest.mark.parametrize(
        ("lines", "facts", "said", "kind"),
        [
            (
                [line("fail", "csp.present")],
                {},
                "csp.present: fail, and no criterion looks at it (evidence 3)",
                "unclaimed_failure",
            ),
            ([line("error", "worker.crashed")], {}, "worker.crashed: error, and no criterion", "unclaimed_failure"),
            (
                [line("error", "collection", suite="security")],
                {},
                "1 test files could not be collected",
                "collection_error",
            ),
            (
                [],
                {"collected": ("suites/a.py::test_a",)},
                "1 collected tests left no evidence: suites/a.py::test_a",
                "missing_line",
            ),
            ([], {"narrowed": "--only e2e"}, "narrowed by --only e2e", "narrowed"),
            (
                [attempt(1, "fail", superseded=True, check="csp.present")],
                {},
                "no repetition left a line",
                "lost_attempt",
            ),
            (
                [],
                {"integrity": Integrity(state="running", problems=("torn",), evidence_sha256="")},
                "torn",
                "integrity",
            ),
            (
                [],
                {"integrity": Integrity(state="interrupted", problems=(), evidence_sha256="")},
                "not finished",
                "integrity",
            ),
            ([], {"run": "another"}, "evidence of another run", "integrity"),
        ],
    )
    def test_it_is_at_best_inconclusive(self, lines, facts, said, kind):
        found = verdict_of(HEADERS, line(), *lines, **facts)
        assert found.verdict == "INCONCLUSIVE"
        assert [one.kind for one in found.held_back] == [kind]
        assert said in found.held_back[0].text
        assert verdict_of(HEADERS, line("fail"), *lines, **facts).verdict == "NO-GO"

    def test_nothing_that_really_passed_is_never_go(self):
        rule = criterion("load.*", demand=MS)
        found = verdict_of(rule, measured(1, [1, 2]), started=False)
        assert found.criteria[-1].status == "pass"
        assert HeldBack(HoldBackKind.NOTHING_PASSED, "no check passed in this run") in found.held_back

    def test_a_collection_error_holds_back_though_a_criterion_selects_it(self):
        anything = criterion("*", id="any", required=False)
        lines = (line(), line("error", "collection", suite="security"))
        found = judge(policy(HEADERS, anything), (), record(*lines))
        assert found.verdict == "INCONCLUSIVE"

    def test_a_test_all_of_whose_lines_were_superseded_left_none(self):
        test = "suites/security/test_headers.py::test_hsts"
        lines = (line(), attempt(1, "pass", superseded=True, test=test))
        found = verdict_of(HEADERS, *lines, collected=(test,))
        assert found.held_back == (HeldBack(HoldBackKind.MISSING_LINE, f"1 collected tests left no evidence: {test}"),)

    @pytest.mark.parametrize(
        ("build", "clean", "held"),
        [
            (Build(kind="commit", id="4f0c1f6"), True, []),
            (Build(kind="commit", id="4f0c1f6", dirty=True), True, ["build_dirty"]),
            (Build(kind="unknown", id=""), True, ["build_unknown"]),
            (Build(kind="reported", id="v1"), True, []),
            (Build(kind="unknown", id=""), False, []),
            (Build(kind="commit", id="4f0c1f6", dirty=True), False, []),
        ],
    )
    def test_a_release_needs_a_build_that_can_be_found_again(self, build, clean, held):
        found = judge(policy(HEADERS, clean_build=clean), (), record(line(), build=build))
        assert [one.kind for one in found.held_back] == held
        assert found.verdict == ("INCONCLUSIVE" if held else "GO")


class TestWaivers:
    @pytest.mark.parametrize("outcome", ["fail", "error", "skip"])
    def test_a_waiver_in_force_lets_the_run_go_and_proves_nothing(self, outcome):
        found = verdict_of(HEADERS, line(outcome), waivers=(WAIVER,))
        ruling = found.criteria[-1]
        assert (found.verdict, found.score, ruling.status, ruling.waiver) == ("GO", 50.0, "waived", WAIVER)
        assert ruling.reason.startswith("waived by jane until 2026-03-01: the proxy sets it (else ")

    def test_what_passes_is_not_waived(self):
        assert ruling_of(HEADERS, line(), waivers=(WAIVER,)).status == "pass"

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"expires": "2026-01-30"}, "it expired on 2026-01-30"),
            ({"expires": "2026-05-02"}, "more than 90 days after the run"),
            ({"expires": "soon"}, "'soon' is no date"),
            ({"owner": " "}, "needs an owner and a reason"),
            ({"reason": ""}, "needs an owner and a reason"),
        ],
    )
    def test_a_waiver_that_is_not_in_force_is_told_of(self, change, said):
        found = verdict_of(HEADERS, line("fail"), waivers=(replace(WAIVER, **change),))
        assert found.verdict == "NO-GO"
        assert "not in force" in found.criteria[-1].reason
        assert said in found.criteria[-1].reason

    @pytest.mark.parametrize("expires", ["2026-01-31", "2026-05-01"])
    def test_the_first_and_the_last_day_count(self, expires):
        waiver = replace(WAIVER, expires=expires)
        assert ruling_of(HEADERS, line("fail"), waivers=(waiver,)).status == "waived"

    @pytest.mark.parametrize("change", [{"criterion": "security.header"}, {"target": "flask"}])
    def test_a_waiver_for_something_else_is_ignored(self, change):
        found = ruling_of(HEADERS, line("fail"), waivers=(replace(WAIVER, **change),))
        assert (found.status, "waiver" in found.reason) == ("fail", False)

    def test_without_the_end_of_the_run_no_waiver_counts(self):
        assert ruling_of(HEADERS, line("fail"), waivers=(WAIVER,), end=None).status == "fail"

    def test_what_cannot_be_waived_is_not(self):
        rule = replace(HEADERS, waivable=False)
        assert ruling_of(rule, line("fail"), waivers=(WAIVER,)).status == "fail"

    def test_a_stray_failure_cannot_be_waived(self):
        found = verdict_of(HEADERS, line(), line("fail", "csp.present"), waivers=(WAIVER,))
        assert found.verdict == "INCONCLUSIVE"


class TestDocument:
    def test_the_shape_is_that_of_the_contract(self):
        document = json.loads(verdict_document(verdict_of(HEADERS, line("fail"), waivers=(WAIVER,))))
        assert list(document) == [
            "schema",
            "run",
            "target",
            "policy",
            "verdict",
            "score",
            "build",
            "held_back",
            "criteria",
            "evidence_sha256",
        ]
        assert document["build"] == {"kind": "commit", "id": "4f0c1f6", "dirty": False}
        ruling = document["criteria"][-1]
        wanted = {"id", "area", "requires", "status", "measured", "threshold", "interval", "n", "evidence", "reason"}
        assert wanted <= set(ruling)
        assert ruling["waiver"]["owner"] == "jane"
        assert document["criteria"][0]["waiver"] is None

    def test_the_same_evidence_in_any_order_gives_the_same_bytes(self):
        run = record(line(), line("fail", "csp.present"), measured(1, [1, 2]), attempt(1, "fail"), attempt(2, "pass"))
        shuffled = run.evidence[3:] + run.evidence[1:3][::-1] + run.evidence[:1]
        rules = policy(HEADERS, criterion("load.*", id="load", demand=MS))
        first = verdict_document(judge(rules, (WAIVER,), run))
        assert verdict_document(judge(rules, (WAIVER,), replace(run, evidence=shuffled))) == first


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
DETAIL = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("interval", "statistic", "reason", "message", "attempt", "superseded"), JSON),
)
LINES = st.lists(
    st.builds(
        line,
        st.sampled_from(["pass", "fail", "error", "skip", "flaky", "measured"]),
        st.sampled_from(["headers.hsts", "load.latency", "csp.present"]),
        detail=DETAIL,
        test=st.sampled_from([None, "a", "b"]),
        subject=st.sampled_from(["GET /", "ALL"]),
        value=st.none() | st.floats(),
        unit=st.sampled_from(["", "ms"]),
        n=st.integers(-1, 10**6),
    ),
    max_size=8,
)
RULES = policy(
    HEADERS,
    criterion("load.*", id="load", demand=MS),
    Criterion(id="csp", area="security", select=Select(checks=("csp.*",)), required=False),
)


@given(lines=LINES)
def test_whatever_the_evidence_holds_it_is_ruled_on_and_only_a_clean_run_is_go(lines):
    run = record(*lines)
    found = judge(RULES, (), run)
    document = json.loads(verdict_document(found))
    assert document["verdict"] == found.verdict
    read = verdict_from_document(document, run.evidence)
    assert verdict_document(read) == verdict_document(found)
    by_seq = {one.seq: quotation(one) for one in run.evidence}
    assert [by_seq.get(one.first) for one in read.criteria] == [by_seq.get(one.first) for one in found.criteria]
    assert not any("could not be applied" in one.reason for one in found.criteria)
    if found.verdict == "GO":
        statuses = {one.id: one.status for one in found.criteria}
        assert (statuses["startup"], statuses["security.headers"], statuses["load"]) == ("pass", "pass", "pass")
        assert any(one.outcome == "pass" and one.check == "headers.hsts" for one in run.evidence)
        assert any(one.outcome == "measured" and one.check == "load.latency" for one in run.evidence)


@given(lines=LINES, spoilt=st.sampled_from(["fail", "error"]))
def test_one_more_failure_never_makes_a_run_better(lines, spoilt):
    order = ["NO-GO", "INCONCLUSIVE", "GO"]
    before = judge(RULES, (), record(*lines)).verdict
    after = judge(RULES, (), record(*lines, line(spoilt, subject="GET /new"))).verdict
    assert order.index(after) <= order.index(before)
    assert after != "GO"
