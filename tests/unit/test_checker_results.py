"""What all checkers share: the result's values, rows that cannot be, and the page that names every anomaly."""

import math
from itertools import permutations

import msgspec
import pytest

from harness.checkers import (
    Anomaly,
    Checked,
    Death,
    DeliveredMail,
    Hold,
    Job,
    Life,
    LockHistory,
    LockKind,
    LockReading,
    LockRules,
    NoteKind,
    Notice,
    NotificationHistory,
    NotificationKind,
    NotificationRules,
    ScheduledRun,
    ScheduleHistory,
    ScheduleKind,
    ScheduleRules,
    SendAttempt,
    Sending,
    State,
    Validity,
    check_locks,
    merged,
)
from tests.pages import blocks, read, rows, section

FALSE, UNKNOWN, TRUE = Validity
FOUND = Anomaly(LockKind.STALE_WRITE, 1.0, "a wrote", ())


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((), UNKNOWN),
        ((TRUE,), TRUE),
        ((TRUE, TRUE), TRUE),
        ((TRUE, UNKNOWN), UNKNOWN),
        ((TRUE, FALSE), FALSE),
        ((UNKNOWN, FALSE), FALSE),
        ((TRUE, UNKNOWN, FALSE), FALSE),
    ],
)
def test_false_goes_over_unknown_over_true_and_nothing_is_unknown(parts, whole):
    assert {merged(order) for order in permutations(parts)} == {whole}


@pytest.mark.parametrize(
    ("anomalies", "cases", "validity", "of_both"),
    [
        ((), (0, 0), UNKNOWN, UNKNOWN),
        ((), (2, 0), TRUE, UNKNOWN),
        ((), (2, 1), TRUE, TRUE),
        ((FOUND,), (2, 0), FALSE, FALSE),
    ],
)
def test_nothing_considered_is_not_valid(anomalies, cases, validity, of_both):
    kinds = (LockKind.STALE_WRITE, LockKind.NO_EXPIRY)
    found = Checked(anomalies=anomalies, cases=dict(zip(kinds, cases, strict=True)))
    assert (found.considered, found.validity, found.validity_of(*kinds)) == (sum(cases), validity, of_both)


def test_another_checkers_kind_is_refused():
    with pytest.raises(KeyError):
        Checked(anomalies=(), cases={LockKind.NO_EXPIRY: 1}).validity_of(ScheduleKind.LATE_RUN)


def test_a_result_can_be_written_as_evidence():
    hold = Hold(lock="alerts", owner="a", token=1, begun=0.0, ended=9.0)
    found = check_locks(LockHistory(holds=(hold,), until=9.0), LockRules(ttl=6.0, takeover=2.0))
    written = msgspec.json.decode(msgspec.json.encode(found))
    assert written["anomalies"][0]["kind"] == "held_past_ttl"
    assert written["anomalies"][0]["rows"][0]["owner"] == "a"
    assert written["cases"]["held_past_ttl"] == 1


# --- rows that cannot be

HOLD = {"lock": "alerts", "owner": "a", "token": 1, "begun": 5.0}
RUN = {"job": "alerts", "tick": 5.0, "worker": "a", "token": 1, "begun": 5.0}
TRY = {"notice": 1, "number": 1, "worker": "a", "begun": 5.0, "ended": 6.0, "outcome": Sending.SENT}
NOTICE = Notice(
    id=1, key="k", recipient="a@b", subject_id=1, kind="price_drop", created=0.0, state=State.DEAD, attempts=0
)
NOTICES = {"notices": (NOTICE,), "attempts": (), "mails": (), "until": 9.0}
LIMITS = {"dedup_window": 60.0, "attempts": 3, "backoff": 1.0, "jitter": 0.5, "allowance": 1.0}
JOB = Job(name="alerts", interval=1.0)
LIFE = Life(worker="a", begun=0.0)

IMPOSSIBLE = {
    "a hold that ends before it begins": (lambda: Hold(**HOLD, ended=4.0), "ends before it begins"),
    "a hold at no time": (lambda: Hold(**HOLD | {"begun": math.nan}), "finite"),
    "a renewal before its hold": (lambda: Hold(**HOLD, renewed=(4.0,)), "outside of its hold"),
    "a renewal after its hold": (lambda: Hold(**HOLD, ended=6.0, renewed=(7.0,)), "outside of its hold"),
    "a renewal at no time": (lambda: Hold(**HOLD, renewed=(math.nan,)), "finite"),
    "a hold after the end": (lambda: LockHistory(holds=(Hold(**HOLD),), until=4.0), "after the history's end"),
    "a time to live of -3": (lambda: LockReading(lock="alerts", at=1.0, ttl=-3), "-2, -1, or 0 and more"),
    "a death that goes back": (lambda: Death(worker="a", at=1.0, back=0.5), "ends before it begins"),
    "no time to live": (lambda: LockRules(ttl=0.0, takeover=1.0), "above 0"),
    "a tolerance without end": (lambda: LockRules(ttl=1.0, takeover=1.0, tolerance=math.inf), "0 or more"),
    "a negative takeover": (lambda: LockRules(ttl=1.0, takeover=-1.0), "0 or more"),
    "a run that ends before it begins": (lambda: ScheduledRun(**RUN, ended=4.0), "ends before it begins"),
    "a tick at no time": (lambda: ScheduledRun(**RUN | {"tick": math.inf}), "finite"),
    "a life that ends before it begins": (lambda: Life(worker="a", begun=1.0, ended=0.0), "ends before it begins"),
    "a job without an interval": (lambda: Job(name="alerts", interval=0.0), "above 0"),
    "a run of an unknown job": (
        lambda: ScheduleHistory(jobs=(), runs=(ScheduledRun(**RUN),), lives=(LIFE,), until=9.0),
        r"unknown job: \['alerts'\]; known are \[\]",
    ),
    "a run by an unknown worker": (
        lambda: ScheduleHistory(jobs=(JOB,), runs=(ScheduledRun(**RUN),), lives=(), until=9.0),
        r"unknown worker: \['a'\]",
    ),
    "a run after the end": (
        lambda: ScheduleHistory(jobs=(JOB,), runs=(ScheduledRun(**RUN),), lives=(LIFE,), until=4.0),
        "after the history's end",
    ),
    "a negative allowance": (lambda: ScheduleRules(allowance=-1.0), "0 or more"),
    "an attempt with an outcome and no end": (lambda: SendAttempt(**TRY | {"ended": None}), "has ended"),
    "an attempt that ends before it begins": (lambda: SendAttempt(**TRY | {"ended": 1.0}), "ends before it begins"),
    "a mail at no time": (lambda: DeliveredMail(message_id="<k@b>", recipient="a@b", at=math.nan), "finite"),
    "an attempt of an unknown notice": (
        lambda: NotificationHistory(**NOTICES | {"attempts": (SendAttempt(**TRY | {"notice": 2}),)}),
        r"unknown notices: \[2\]",
    ),
    "a notice twice": (lambda: NotificationHistory(**NOTICES | {"notices": (NOTICE, NOTICE)}), r"twice: \[1\]"),
    "an unknown state": (lambda: State("sending"), "not a valid State"),
    "no attempts": (lambda: NotificationRules(**LIMITS | {"attempts": 0}), "above 0"),
    "jitter beyond the pause": (lambda: NotificationRules(**LIMITS | {"jitter": 1.5}), "at most 1"),
}


@pytest.mark.parametrize(("made", "words"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_is_refused(made, words):
    with pytest.raises(ValueError, match=words):
        made()


# --- docs/checkers.md


@pytest.mark.parametrize(
    ("heading", "kinds"),
    [
        ("## Locks", LockKind),
        ("## Schedules", ScheduleKind),
        ("## Notifications", NotificationKind),
        ("## Notes", NoteKind),
    ],
)
def test_the_page_names_every_anomaly_with_a_sentence(heading, kinds):
    told = [row for row in rows(section(read("docs/checkers.md"), heading), columns=2) if row[0].startswith("`")]
    assert [name for name, _ in told] == [f"`{kind}`" for kind in kinds]
    assert [name for name, meaning in told if not meaning.endswith(".")] == []


def test_the_example_of_the_page_runs_and_prints_what_it_says(capsys):
    (example,) = blocks(read("docs/checkers.md"), "python")
    exec(example, {})  # noqa: S102 - a page of this repository
    printed = capsys.readouterr().out.strip()
    assert f"# {printed}\n" in example
