"""Notifications: drawn histories have no anomaly, and of one planted mistake exactly that one is found.

Times are quarters of a second: sums of them are exact.
"""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.checkers import Death, NoteKind, State, check_notifications
from tests.notices import CODES, RULES, K, attempt, event, history, mail, notice

NAMES = ("notices", "attempts", "mails", "deaths", "expected")
ENDINGS = (["sent"], ["temporary", "sent"], ["permanent"], ["unknown", "sent"], ["temporary"] * 3)


def tried(draw, number, recipient, created, outcomes):
    """A notice whose attempts ended like this, each by another worker; one whose outcome is unknown died."""
    rows, at = [], created + draw(st.integers(0, 8)) / 4
    for place, outcome in enumerate(outcomes, start=1):
        worker = f"{number}-{place}"
        ended = at + draw(st.integers(2, 4)) / 4
        cut = outcome == "unknown"
        rows.append(attempt(place, at, None if cut else ended, outcome, of=number, worker=worker))
        if outcome == "sent" or (cut and draw(st.booleans())):
            rows.append(mail(at + 0.25, of=number, recipient=recipient))
        if cut:
            rows.append(Death(worker=worker, at=ended))
        low, high = (round(limit * 4) for limit in RULES.pause(place))
        at = ended + draw(st.integers(low, high)) / 4
    state = "sent" if outcomes[-1] == "sent" else "dead"
    sent_at = ended if state == "sent" else None
    return [*rows, notice(number, state, len(outcomes), created=created, recipient=recipient, sent_at=sent_at)]


@st.composite
def valid_histories(draw):
    """Two recipients who are told again after the window, with every ending at least once."""
    rows, created = [], {}
    endings = draw(st.permutations([*ENDINGS, *draw(st.lists(st.sampled_from(ENDINGS), max_size=3))]))
    for number, outcomes in enumerate(endings, start=1):
        recipient = f"{draw(st.sampled_from('ab'))}@dealradar.test"
        at = created[recipient] = created.get(recipient, 0.0) + 3600 + draw(st.integers(0, 4000)) / 4
        rows += tried(draw, number, recipient, at, outcomes)
        rows.append(event(at - draw(st.integers(0, 20)) / 4, recipient))
        rows.append(event(at + 0.25 + draw(st.integers(0, 14_399)) / 4, recipient))
    return history(*rows, until=max(created.values()) + 3600)


def ended_like(seen, *outcomes):
    """The first notice whose attempts ended like this, with its attempts and mails."""
    for one in seen.notices:
        attempts = [row for row in seen.attempts if row.notice == one.id]
        if tuple(row.outcome for row in attempts) == outcomes:
            return one, attempts, [row for row in seen.mails if row.key == one.key]
    raise AssertionError(outcomes)


def changed(seen, *rows, without=(), until=0.0):
    """The history with other rows."""
    kept = [row for name in NAMES for row in getattr(seen, name) if not any(row is gone for gone in without)]
    return history(*kept, *rows, until=max(seen.until, until))


def lose_a_mail(seen):
    _, _, mails = ended_like(seen, "sent")
    return changed(seen, without=mails)


def deliver_twice(seen):
    _, _, (arrived,) = ended_like(seen, "sent")
    return changed(seen, replace(arrived, at=arrived.at + 0.25))


def deliver_what_nobody_sent(seen):
    return changed(seen, mail(50.0, of=0))


def deliver_to_another(seen):
    _, _, (arrived,) = ended_like(seen, "sent")
    return changed(seen, replace(arrived, recipient="eve@dealradar.test"), without=[arrived])


def tell_twice(seen):
    sent, (only,), (arrived,) = ended_like(seen, "sent")
    # so soon that the next one stays outside of its window too
    double = replace(sent, id=0, key="key-0", created=sent.created + 0.125)
    return changed(seen, double, replace(only, notice=0), mail(arrived.at, of=0, recipient=sent.recipient))


def tell_once_only(seen):
    sent, _, _ = ended_like(seen, "sent")
    last = max(one.created for one in seen.notices if one.recipient == sent.recipient)
    return changed(seen, event(last + 4000, sent.recipient), until=last + 4010)


def try_too_often(seen):
    dead, attempts, _ = ended_like(seen, "temporary", "temporary", "temporary")
    at = attempts[-1].ended + 32
    fourth = attempt(4, at, at + 1, "temporary", of=dead.id)
    return changed(seen, replace(dead, attempts=4), fourth, without=[dead])


def try_once_more(seen, outcome):
    done, (only,), _ = ended_like(seen, outcome)
    useless = attempt(2, only.ended + 8, only.ended + 9, "temporary", of=done.id)
    return changed(seen, replace(done, attempts=2), useless, without=[done])


def overlap(seen):
    _, (first, second), _ = ended_like(seen, "temporary", "sent")
    return changed(seen, replace(first, ended=second.begun + 0.5), without=[first])


def skip_a_number(seen):
    _, (_, second), _ = ended_like(seen, "temporary", "sent")
    return changed(seen, replace(second, number=3), without=[second])


def misread_a_reply(seen):
    _, (first, _), _ = ended_like(seen, "temporary", "sent")
    return changed(seen, replace(first, code=550), without=[first])


def retry_early(seen):
    _, (first, second), _ = ended_like(seen, "temporary", "sent")
    return changed(seen, replace(second, begun=first.ended + 0.5), without=[second])


def retry_late(seen):
    _, (_, second), (arrived,) = ended_like(seen, "temporary", "sent")
    late = replace(second, begun=second.begun + 20, ended=second.ended + 20)
    return changed(seen, late, replace(arrived, at=arrived.at + 20), without=[second, arrived])


def give_up_early(seen):
    sent, (_, second), (arrived,) = ended_like(seen, "temporary", "sent")
    dead = replace(sent, state=State.DEAD, sent_at=None, attempts=1)
    return changed(seen, dead, without=[sent, second, arrived])


def miscount(seen):
    sent, _, _ = ended_like(seen, "sent")
    return changed(seen, replace(sent, attempts=2), without=[sent])


PLANTS = {
    K.LOST: lose_a_mail,
    K.DUPLICATE_MAIL: deliver_twice,
    K.STRAY_MAIL: deliver_what_nobody_sent,
    K.WRONG_RECIPIENT: deliver_to_another,
    K.DUPLICATE_NOTICE: tell_twice,
    K.EAGER_DEDUP: tell_once_only,
    K.TOO_MANY_ATTEMPTS: try_too_often,
    K.ATTEMPT_AFTER_PERMANENT: lambda seen: try_once_more(seen, "permanent"),
    K.ATTEMPT_AFTER_SENT: lambda seen: try_once_more(seen, "sent"),
    K.OVERLAPPING_ATTEMPTS: overlap,
    K.ATTEMPT_NUMBERS: skip_a_number,
    K.MISREAD_REPLY: misread_a_reply,
    K.EARLY_RETRY: retry_early,
    K.LATE_RETRY: retry_late,
    K.EARLY_DEATH: give_up_early,
    K.CONTRADICTION: miscount,
}


@given(valid_histories())
def test_a_history_as_it_should_be_has_no_anomaly(seen):
    found = check_notifications(seen, RULES)
    assert found.anomalies == ()
    assert {note.kind for note in found.notes} <= {NoteKind.RECOGNISED_RESEND}
    assert found.validity_of(*K) == "true"


@pytest.mark.parametrize("kind", K)
@settings(max_examples=25)
@given(seen=valid_histories())
def test_one_mistake_is_found_as_what_it_is(kind, seen):
    found = check_notifications(PLANTS[kind](seen), RULES)
    assert [anomaly.kind for anomaly in found.anomalies] == [kind]


times = st.integers(0, 160).map(lambda number: number / 4)


@st.composite
def any_histories(draw):
    """Rows without sense."""
    rows = [
        notice(number, draw(st.sampled_from(State)), draw(st.integers(0, 3)), created=draw(times))
        for number in range(1, 4)
    ]
    for _ in range(draw(st.integers(0, 8))):
        begun, ended = sorted((draw(times), draw(times)))
        outcome = draw(st.sampled_from(list(CODES)))
        end = draw(st.sampled_from([None, ended])) if outcome == "unknown" else ended
        place, of, worker = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.sampled_from("ab"))
        rows.append(attempt(place, begun, end, outcome, of=of, worker=worker))
    rows += [mail(draw(times), of=draw(st.integers(1, 4))) for _ in range(draw(st.integers(0, 5)))]
    rows += [event(draw(times)) for _ in range(draw(st.integers(0, 3)))]
    rows += [Death(worker=draw(st.sampled_from("ab")), at=draw(times)) for _ in range(draw(st.integers(0, 2)))]
    return history(*rows, until=draw(times))


BRIEF = replace(RULES, dedup_window=6.0)


@given(seen=any_histories(), data=st.data())
def test_the_order_of_rows_does_not_matter(seen, data):
    shuffled = replace(seen, **{name: tuple(data.draw(st.permutations(getattr(seen, name)))) for name in NAMES})
    assert check_notifications(shuffled, BRIEF) == check_notifications(seen, BRIEF)


AT_ONCE = history(
    notice(1, "pending", 0), attempt(1, 0.0, None, "unknown"), attempt(1, 0.0, 0.5, "temporary"), until=0.25
)
"""Two attempts that begin at one moment: either is the later one."""


ONE_ANSWER_MISSING = history(
    notice(1, "sent", 2),
    attempt(1, 10.0, 10.5, "unknown"),
    attempt(2, 12.0, 12.5, "sent"),
    *(mail(at) for at in (5.0, 11.0, 20.0)),
    until=30.0,
)
"""Two further mails, and one attempt without an answer: the more tolerance, the earlier the mail that it explains."""


@given(seen=any_histories(), tolerances=st.tuples(times, times).map(sorted))
@example(seen=AT_ONCE, tolerances=[0.0, 0.25])
@example(seen=ONE_ANSWER_MISSING, tolerances=[0.0, 5.0])
def test_more_tolerance_finds_nothing_more(seen, tolerances):
    strict, lenient = (
        check_notifications(seen, replace(BRIEF, tolerance=tolerance)).anomalies for tolerance in tolerances
    )
    # which of a notice's mails stays without an attempt that explains it may change, how many do may not grow
    again_strict, again_lenient = (
        Counter(one.rows[-1].key for one in found if one.kind is K.DUPLICATE_MAIL) for found in (strict, lenient)
    )
    assert again_lenient <= again_strict
    # attempts that only may have overlapped are judged by their pause: the later attempt is the same
    others = {one.rows[-1] for one in lenient if one.kind is not K.DUPLICATE_MAIL}
    assert others <= {row for one in strict for row in one.rows[-2:]}
