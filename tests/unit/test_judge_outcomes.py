"""The table over outcomes, row by row, and the order of its rows."""

import pytest

from harness.model import Select
from tests.judging import attempt, criterion, line, ruling_of

ABSENT = {"mail": "sends none"}
ROWS = [
    ("one pass", ["pass"], "pass"),
    ("a fail among passes", ["pass", "fail", "pass"], "fail"),
    ("a fail before an error", ["error", "fail"], "fail"),
    ("a fail before flakes", ["flaky", "fail"], "fail"),
    ("an error among passes", ["pass", "error"], "inconclusive"),
    ("a flake among passes", ["pass", "flaky"], "inconclusive"),
    ("nothing", [], "not_run"),
    ("only skips", ["skip", "skip"], "not_run"),
    ("a skip among passes", ["pass", "skip"], "inconclusive"),
    ("only numbers", ["measured"], "inconclusive"),
]


@pytest.mark.parametrize(("outcomes", "status"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_outcomes_are_ruled_by_the_first_row_that_applies(outcomes, status):
    lines = [line(outcome, subject=f"GET /{place}") for place, outcome in enumerate(outcomes)]
    assert ruling_of(criterion(), *lines).status == status


def test_a_skip_is_tolerated_only_for_a_reason_on_the_list():
    rule = criterion(allow_skip=("not applicable*",))
    skipped = line("skip", detail={"reason": "not applicable: no body"})
    other = line("skip", detail={"reason": "no browser"})
    assert ruling_of(rule, line(), skipped).status == "pass"
    assert ruling_of(rule, line(), skipped, other).status == "inconclusive"
    assert ruling_of(rule, skipped).status == "not_run"


def test_a_skip_for_a_reason_that_is_taken_out_is_not_tolerated():
    rule = criterion(allow_skip=("*", "!no * on this machine*"))
    other = line("skip", detail={"reason": "the profile names no page"})
    lacking = line("skip", detail={"reason": "no Chromium on this machine; `harness doctor` names the command"})
    assert ruling_of(rule, line(), other).status == "pass"
    assert ruling_of(rule, line(), other, lacking).status == "inconclusive"
    assert ruling_of(criterion(allow_skip=("!no *",)), line(), other).status == "inconclusive"


def test_as_many_flakes_as_the_policy_says_are_tolerated_but_never_count_as_passes():
    flakes = [line("flaky", subject=f"GET /{place}") for place in range(2)]
    assert ruling_of(criterion(), line(), *flakes, max_flaky=2).status == "pass"
    assert ruling_of(criterion(), line(), *flakes, max_flaky=1).status == "inconclusive"
    assert ruling_of(criterion(), *flakes, max_flaky=2).status == "inconclusive"


def test_fewer_observations_than_demanded_are_not_enough():
    assert ruling_of(criterion(min_n=3), line(), line(subject="GET /2")).status == "inconclusive"
    assert ruling_of(criterion(min_n=3), line(n=3)).status == "pass"


def test_numbers_alone_are_no_pass():
    assert ruling_of(criterion(), line("measured")).reason == "nothing passed outright: 1 measured"


def test_only_what_is_selected_counts():
    lines = [line(), line("fail", "csp.present"), line("fail", suite="e2e"), line("fail", subject="GET /other")]
    rule = criterion("headers.*", suite="security", subject="GET /")
    found = ruling_of(rule, *lines)
    assert (found.status, found.evidence, found.n) == ("pass", (2,), 1)


def test_check_ids_are_matched_in_their_own_case_and_whole():
    assert ruling_of(criterion("headers.hsts"), line(check="headers.hsts.long")).status == "not_run"
    assert ruling_of(criterion("headers.hsts"), line(check="Headers.hsts")).status == "not_run"
    assert ruling_of(criterion("headers.*"), line(check="headers.")).status == "pass"


def test_a_failure_names_its_subjects_and_repeats_what_the_evidence_says():
    detail = {"reason": "never refused", "message": "330 requests, 330 served"}
    found = ruling_of(criterion("ratelimit.*"), line(), line("fail", "ratelimit.refused", detail=detail))
    assert found.reason == ("1 of 1 failed: ratelimit.refused on GET /. First: never refused; 330 requests, 330 served")
    assert found.evidence == (3,)


def test_hostile_text_becomes_one_bounded_line():
    found = ruling_of(criterion(), line("fail", detail={"message": "\x1b[31mred\x1b[0m\nsecond\x00line" + "x" * 5000}))
    assert found.reason.isprintable()
    assert len(found.reason) < 500
    assert "second line" in found.reason


class TestAttempts:
    """Of the lines of one (test, check, subject) only the last is ruled on."""

    def test_red_then_green_is_flaky(self):
        lines = [attempt(1, "fail", superseded=True), attempt(2, "pass")]
        found = ruling_of(criterion(), *lines)
        assert (found.status, found.measured, found.evidence) == ("inconclusive", "1 flaky", (2, 3))
        assert ruling_of(criterion(), *lines, max_flaky=1).status == "inconclusive"

    def test_red_then_green_is_flaky_whoever_forgot_to_mark_the_first(self):
        assert ruling_of(criterion(), attempt(1, "error"), attempt(2, "pass")).measured == "1 flaky"

    def test_red_then_red_is_red(self):
        found = ruling_of(criterion(), attempt(1, "fail", superseded=True), attempt(2, "fail"))
        assert (found.status, found.measured) == ("fail", "1 fail")

    def test_red_then_skipped_is_not_made_good_by_an_allowed_skip(self):
        lines = [attempt(1, "fail", superseded=True), attempt(2, "skip", detail={"reason": "gone"}), line(subject="/2")]
        assert ruling_of(criterion(allow_skip=("*",)), *lines).status == "inconclusive"

    def test_green_then_green_is_green(self):
        assert ruling_of(criterion(), attempt(1, "pass", superseded=True), attempt(2, "pass")).status == "pass"

    def test_a_test_that_passes_and_fails_to_clean_up_is_an_error(self):
        assert ruling_of(criterion(), attempt(1, "pass"), attempt(1, "error")).status == "inconclusive"

    def test_a_failure_is_not_softened_by_an_error_of_the_same_attempt(self):
        assert ruling_of(criterion(), attempt(1, "fail"), attempt(1, "error")).status == "fail"

    def test_subjects_and_tests_are_apart(self):
        lines = [attempt(1, "fail", subject="GET /a"), attempt(1, "pass", subject="GET /b")]
        assert ruling_of(criterion(), *lines).status == "fail"
        lines = [attempt(1, "fail", test="one"), attempt(1, "pass", test="two")]
        assert ruling_of(criterion(), *lines).status == "fail"

    def test_lines_without_a_test_are_no_attempts_of_anything(self):
        assert ruling_of(criterion(), line("fail"), line("pass")).status == "fail"

    def test_a_failed_attempt_that_nothing_followed_is_not_ruled_on_alone(self):
        found = ruling_of(criterion(), attempt(1, "fail", superseded=True))
        assert (found.status, found.evidence) == ("not_run", ())


class TestAbsent:
    """`not_applicable` comes only from the profile, and only while no evidence contradicts it."""

    def test_what_the_target_does_not_have_does_not_apply(self):
        rule = criterion("mail.*", needs="mail")
        found = ruling_of(rule, line("skip", "mail.sent"), absent=ABSENT)
        assert (found.status, found.reason) == ("not_applicable", "the target has no mail: sends none")
        assert ruling_of(rule, absent=ABSENT).status == "not_applicable"

    @pytest.mark.parametrize("outcome", ["pass", "fail", "error", "flaky", "measured"])
    def test_evidence_of_the_thing_makes_it_inconclusive(self, outcome):
        found = ruling_of(criterion("mail.*", needs="mail"), line(outcome, "mail.sent"), absent=ABSENT)
        assert found.status == "inconclusive"
        assert "mail.sent on GET /" in found.reason

    def test_what_is_merely_missing_is_not_run(self):
        assert ruling_of(criterion("mail.*", needs="mail"), line("skip", "mail.sent")).status == "not_run"
        assert ruling_of(criterion("mail.*"), absent=ABSENT).status == "not_run"


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({"checks": ("headers.*",)}, True),
        ({"checks": ("csp.*", "headers.hsts")}, True),
        ({"checks": ("csp.*",)}, False),
        ({"checks": ("*",), "suite": "security"}, True),
        ({"checks": ("*",), "suite": "e2e"}, False),
        ({"checks": ("*",), "subject": "GET *"}, True),
        ({"checks": ("*",), "subject": "POST *"}, False),
        ({"checks": ("HEADERS.*",)}, False),
    ],
)
def test_a_selection_matches_by_check_suite_and_subject(wanted, matches):
    assert Select(**wanted).matches(line()) is matches
