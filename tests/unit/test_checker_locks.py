"""Locks: literal histories in, the whole result out; then generated ones with one mistake planted."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers import (
    Anomaly,
    Checked,
    Death,
    Hold,
    LockHistory,
    LockKind,
    LockReading,
    LockRules,
    Write,
    check_locks,
)

RULES = LockRules(ttl=6.0, takeover=2.0, tolerance=0.25)
"""Renewal is due every 2 s, takeover 8 s after a death."""


def hold(owner, token, begun, ended, *renewed, lock="alerts"):
    return Hold(lock=lock, owner=owner, token=token, begun=begun, ended=ended, renewed=renewed)


def write(owner, token, at):
    return Write(lock="alerts", owner=owner, token=token, at=at)


def history(*rows, until=40.0):
    kinds = {"holds": Hold, "writes": Write, "deaths": Death, "seen": LockReading}
    parts = {name: tuple(row for row in rows if isinstance(row, kind)) for name, kind in kinds.items()}
    return LockHistory(until=until, **parts)


A = hold("a", 1, 0.0, 2.0)
B = hold("b", 2, 3.0, 5.0)
EARLY = hold("b", 2, 1.5, 3.0)
SHORT = hold("b", 2, 1.0, 1.125)
REVERSED = hold("b", 0, 3.0, 5.0)
AGAIN = hold("a", 1, 3.0, 5.0)
SAME = hold("b", 1, 3.0, 5.0)
STALE = write("a", 1, 3.5)
BORROWED = write("b", 1, 1.0)
UNRENEWED = hold("a", 1, 0.0, 6.5)
RENEWED_EXPIRED = hold("a", 1, 0.0, 8.0, 6.5)
OPEN = hold("a", 1, 0.0, None)
LATE = hold("a", 1, 0.0, 5.0, 2.5, 4.5)
KILLED = Death(worker="a", at=1.0)
FROZEN = Death(worker="a", at=1.0, back=17.0)
WOKEN = hold("a", 1, 0.0, 19.5)
TAKEN = hold("b", 2, 6.0, 8.0)
TAKEN_EARLY = hold("b", 2, 5.5, 7.0)
TAKEN_LATE = hold("b", 2, 9.5, 10.0)
ETERNAL = LockReading(lock="alerts", at=1.0, ttl=-1)
UNBOUND = LockReading(lock="alerts", at=1.0, ttl=None)

VIOLATIONS = {
    "two holders": (
        [A, EARLY],
        Anomaly(LockKind.TWO_HOLDERS, 1.5, "a and b held alerts at once for 0.5 s", (A, EARLY)),
    ),
    "a short hold within a long one": (
        [A, SHORT],
        Anomaly(LockKind.TWO_HOLDERS, 1.0, "a and b held alerts at once for 0.125 s", (A, SHORT)),
    ),
    "taken from the dead before it expired": (
        [OPEN, KILLED, TAKEN_EARLY],
        Anomaly(LockKind.TWO_HOLDERS, 5.5, "a and b held alerts at once for 0.5 s", (OPEN, TAKEN_EARLY)),
    ),
    "a lower token": (
        [A, REVERSED],
        Anomaly(LockKind.TOKEN_ORDER, 3.0, "b was granted alerts with token 0 after 1 had been granted", (A, REVERSED)),
    ),
    "the same token again": (
        [A, AGAIN],
        Anomaly(LockKind.TOKEN_ORDER, 3.0, "a was granted alerts with token 1 after 1 had been granted", (A, AGAIN)),
    ),
    "two owners with one token": (
        [A, SAME],
        Anomaly(LockKind.TOKEN_SHARED, 3.0, "a and b used token 1 of alerts", (A, SAME)),
    ),
    "a write with another owner's token": (
        [A, BORROWED],
        Anomaly(LockKind.TOKEN_SHARED, 1.0, "a and b used token 1 of alerts", (A, BORROWED)),
    ),
    "a stale write": (
        [A, B, STALE],
        Anomaly(LockKind.STALE_WRITE, 3.5, "a wrote under alerts with token 1 after 2 had been granted", (B, STALE)),
    ),
    "held past its time": (
        [UNRENEWED],
        Anomaly(
            LockKind.HELD_PAST_TTL,
            6.0,
            "a held alerts for 6.5 s without renewal; its time to live is 6 s",
            (UNRENEWED,),
        ),
    ),
    "an expired lock renewed": (
        [RENEWED_EXPIRED],
        Anomaly(
            LockKind.HELD_PAST_TTL,
            6.0,
            "a held alerts for 6.5 s without renewal; its time to live is 6 s",
            (RENEWED_EXPIRED,),
        ),
    ),
    "an expired lock renewed by an owner that was frozen": (
        [RENEWED_EXPIRED, Death(worker="a", at=1.0, back=6.25)],
        Anomaly(
            LockKind.HELD_PAST_TTL,
            6.0,
            "a held alerts for 6.5 s without renewal; its time to live is 6 s",
            (RENEWED_EXPIRED,),
        ),
    ),
    "never let go by the living": (
        [OPEN],
        Anomaly(
            LockKind.HELD_PAST_TTL, 6.0, "a held alerts for 40 s without renewal; its time to live is 6 s", (OPEN,)
        ),
    ),
    "a frozen owner that goes on": (
        [WOKEN, FROZEN, TAKEN],
        Anomaly(
            LockKind.HELD_PAST_TTL, 6.0, "a held alerts for 19.5 s without renewal; its time to live is 6 s", (WOKEN,)
        ),
    ),
    "a late renewal": (
        [LATE],
        Anomaly(
            LockKind.LATE_RENEWAL, 2.0, "a did not renew alerts for 2.5 s; a third of its time to live is 2 s", (LATE,)
        ),
    ),
    "a late takeover": (
        [OPEN, KILLED, TAKEN_LATE],
        Anomaly(
            LockKind.LATE_TAKEOVER,
            9.25,
            "alerts was taken over 8.5 s after the death of a",
            (OPEN, KILLED, TAKEN_LATE),
        ),
    ),
    "no takeover": (
        [OPEN, KILLED],
        Anomaly(LockKind.LATE_TAKEOVER, 9.25, "alerts was not taken over after the death of a", (OPEN, KILLED)),
    ),
    "no expiry": (
        [A, ETERNAL],
        Anomaly(LockKind.NO_EXPIRY, 1.0, "alerts would never expire", (ETERNAL,)),
    ),
    "no expiry, told as none": (
        [A, UNBOUND],
        Anomaly(LockKind.NO_EXPIRY, 1.0, "alerts would never expire", (UNBOUND,)),
    ),
}

NEAR_MISSES = {
    "an overlap within the tolerance": (LockKind.TWO_HOLDERS, [A, hold("b", 2, 1.75, 3.0)]),
    "two locks at once": (LockKind.TWO_HOLDERS, [A, B, hold("b", 1, 0.0, 1.0, lock="prices")]),
    "taken from the dead when it expired": (LockKind.TWO_HOLDERS, [OPEN, KILLED, TAKEN]),
    "a higher token, not the next one": (LockKind.TOKEN_ORDER, [A, hold("b", 9, 3.0, 5.0)]),
    "one token, one owner": (LockKind.TOKEN_SHARED, [A, write("a", 1, 1.0)]),
    "a write as the next token is granted": (LockKind.STALE_WRITE, [A, B, write("a", 1, 3.25)]),
    "an end as the time to live ends": (LockKind.HELD_PAST_TTL, [hold("a", 1, 0.0, 6.0, 2.0, 4.0)]),
    "a frozen owner that gives up": (LockKind.HELD_PAST_TTL, [hold("a", 1, 0.0, 19.25), FROZEN, TAKEN]),
    "a renewal within the tolerance": (LockKind.LATE_RENEWAL, [hold("a", 1, 0.0, 4.25, 2.25)]),
    "a takeover at the last moment": (LockKind.LATE_TAKEOVER, [OPEN, KILLED, hold("b", 2, 9.25, 10.0)]),
    "an expiry at once": (LockKind.NO_EXPIRY, [A, LockReading(lock="alerts", at=1.0, ttl=0.0)]),
}

NO_CASES = {
    "a lock that is gone expires": (LockKind.NO_EXPIRY, history(A, LockReading(lock="alerts", at=3.0, ttl=-2))),
    "a takeover that is not due yet": (LockKind.LATE_TAKEOVER, history(OPEN, KILLED, until=9.25)),
    "a frozen owner that went on in time": (
        LockKind.LATE_TAKEOVER,
        history(hold("a", 1, 0.0, 6.0, 4.0), Death(worker="a", at=1.0, back=3.0), hold("b", 2, 30.0, 31.0), until=40.0),
    ),
    "a restarted owner that died before the hold": (
        LockKind.LATE_TAKEOVER,
        history(Death(worker="a", at=0.0), hold("a", 1, 0.125, 2.0), hold("b", 2, 30.0, 31.0), until=40.0),
    ),
    "a single hold": (LockKind.TWO_HOLDERS, history(A)),
}


@pytest.mark.parametrize(("rows", "anomaly"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_found_and_nothing_else(rows, anomaly):
    found = check_locks(history(*rows), RULES)
    assert found.anomalies == (anomaly,)
    assert found.validity_of(anomaly.kind) == "false"


@pytest.mark.parametrize(("kind", "rows"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_a_near_miss_is_considered_and_valid(kind, rows):
    found = check_locks(history(*rows), RULES)
    assert found.anomalies == ()
    assert found.validity_of(kind) == "true"


@pytest.mark.parametrize(("kind", "seen"), NO_CASES.values(), ids=NO_CASES)
def test_what_could_not_go_wrong_proves_nothing(kind, seen):
    found = check_locks(seen, RULES)
    assert found.anomalies == ()
    assert found.validity_of(kind) == "unknown"


def test_every_kind_has_a_violation_and_a_near_miss():
    assert {anomaly.kind for _, anomaly in VIOLATIONS.values()} == set(LockKind)
    assert {kind for kind, _ in NEAR_MISSES.values()} == set(LockKind)


def test_the_whole_result():
    taken = hold("b", 2, 7.0, 9.0, 8.0)
    seen = LockReading(lock="alerts", at=1.0, ttl=5.5)
    rows = (OPEN, KILLED, taken, write("b", 2, 8.0), STALE, seen)
    assert check_locks(history(*rows), RULES) == Checked(
        anomalies=(),
        notes=(),
        cases={
            LockKind.TWO_HOLDERS: 1,
            LockKind.TOKEN_ORDER: 1,
            LockKind.TOKEN_SHARED: 2,
            LockKind.STALE_WRITE: 2,
            LockKind.HELD_PAST_TTL: 3,
            LockKind.LATE_RENEWAL: 2,
            LockKind.LATE_TAKEOVER: 1,
            LockKind.NO_EXPIRY: 1,
        },
    )


def test_a_history_of_nothing_is_unknown():
    found = check_locks(history(), RULES)
    assert (found.considered, found.validity, set(found.cases)) == (0, "unknown", set(LockKind))


# --- generated histories, in quarters of a second: sums of them are exact

quarters = st.integers


@st.composite
def valid_histories(draw):
    """Locks with owners of their own; the last hold of each is released, and somebody died holding the first lock."""
    rows = []
    end = 0.0
    for number in range(draw(st.integers(1, 3))):
        lock, at, token = f"lock-{number}", draw(quarters(0, 20)) / 4, draw(st.integers(1, 5))
        count = draw(st.integers(3, 6))
        for place in range(count):
            owner = f"{lock}-{draw(st.integers(1, 3))}"
            steps = draw(st.lists(quarters(2, 8), min_size=1, max_size=4))
            times = [at + sum(steps[:part]) / 4 for part in range(len(steps) + 1)]
            died = place == 0 if number == 0 else place < count - 1 and draw(st.booleans())
            rows.append(hold(owner, token, times[0], None if died else times[-1], *times[1:-1], lock=lock))
            rows.append(replace(write(owner, token, times[0] + 0.25), lock=lock))
            rows.append(LockReading(lock=lock, at=times[0], ttl=draw(quarters(0, 24)) / 4))
            if died:
                rows.append(Death(worker=owner, at=times[-1]))
                at = draw(quarters(round(times[-2] * 4) + 24, round(times[-1] * 4) + 32)) / 4
            else:
                at = times[-1] + draw(quarters(2, 20)) / 4
            token += draw(st.integers(1, 3))
        end = max(end, at)
    return history(*rows, until=end)


def first_lock(seen):
    return sorted((one for one in seen.holds if one.lock == "lock-0"), key=lambda one: one.begun)


def swap(seen, old, new):
    """The history with another hold, and without what was written under the old one."""
    holds = tuple(new if one is old else one for one in seen.holds)
    writes = tuple(one for one in seen.writes if (one.lock, one.token) != (old.lock, old.token))
    return replace(seen, holds=holds, writes=writes, until=seen.until + 20)


def plant(kind, seen):
    """One mistake of this kind. The first hold of the first lock is a dead owner's; the last is released."""
    dead, *_, last = holds = first_lock(seen)
    match kind:
        case LockKind.TWO_HOLDERS:
            intruder = hold("intruder", last.token + 1, last.begun + 0.125, last.begun + 0.75, lock=last.lock)
            return replace(seen, holds=(*seen.holds, intruder))
        case LockKind.TOKEN_ORDER:
            return swap(seen, last, replace(last, token=holds[-2].token - 100))
        case LockKind.TOKEN_SHARED:
            return swap(seen, last, replace(last, token=holds[-2].token, owner="another"))
        case LockKind.STALE_WRITE:
            late = Write(lock=dead.lock, owner=dead.owner, token=dead.token, at=holds[1].begun + 0.5)
            return replace(seen, writes=(*seen.writes, late))
        case LockKind.HELD_PAST_TTL:
            return swap(seen, last, replace(last, ended=last.last_proof + 6.5))
        case LockKind.LATE_RENEWAL:
            return swap(seen, last, replace(last, ended=last.last_proof + 2.5))
        case LockKind.LATE_TAKEOVER:
            return replace(later(seen, dead.begun, 20.0), until=seen.until + 20)
    return replace(seen, seen=(*seen.seen, LockReading(lock=dead.lock, at=dead.begun, ttl=-1)))


def later(seen, after, delay):
    """All that happened to the first lock after its first hold, later."""

    def moved(row, time):
        return row.lock == "lock-0" and time > after + 0.25

    holds = tuple(
        replace(
            one,
            begun=one.begun + delay,
            ended=None if one.ended is None else one.ended + delay,
            renewed=tuple(time + delay for time in one.renewed),
        )
        if moved(one, one.begun)
        else one
        for one in seen.holds
    )
    writes = tuple(replace(one, at=one.at + delay) if moved(one, one.at) else one for one in seen.writes)
    first_death = min(one.at for one in seen.deaths if one.worker.startswith("lock-0"))
    deaths = tuple(
        replace(one, at=one.at + delay) if one.worker.startswith("lock-0") and one.at > first_death else one
        for one in seen.deaths
    )
    return replace(seen, holds=holds, writes=writes, deaths=deaths, until=seen.until + delay)


@given(valid_histories())
def test_a_history_as_it_should_be_has_no_anomaly(seen):
    found = check_locks(seen, RULES)
    assert found.anomalies == ()
    assert found.validity_of(*LockKind) == "true"


@pytest.mark.parametrize("kind", LockKind)
@settings(max_examples=25)
@given(seen=valid_histories())
def test_one_mistake_is_found_as_what_it_is(kind, seen):
    found = check_locks(plant(kind, seen), RULES)
    assert {anomaly.kind for anomaly in found.anomalies} == {kind}


times = quarters(0, 60).map(lambda number: number / 4)


@st.composite
def any_histories(draw):
    """Rows without sense."""
    rows = []
    for _ in range(draw(st.integers(0, 8))):
        begun, *renewed, ended = sorted(draw(st.lists(times, min_size=2, max_size=5)))
        owner, token = draw(st.sampled_from("abc")), draw(st.integers(0, 4))
        rows.append(hold(owner, token, begun, draw(st.sampled_from([None, ended])), *renewed))
        rows.append(write(draw(st.sampled_from("abc")), draw(st.integers(0, 4)), draw(times)))
    for at in draw(st.lists(times, max_size=3)):
        back = draw(st.none() | times.map(lambda time, at=at: at + time))
        rows.append(Death(worker=draw(st.sampled_from("abc")), at=at, back=back))
    return history(*rows, until=20.0)


@given(seen=any_histories(), data=st.data())
def test_the_order_of_rows_does_not_matter(seen, data):
    shuffled = replace(
        seen,
        holds=tuple(data.draw(st.permutations(seen.holds))),
        writes=tuple(data.draw(st.permutations(seen.writes))),
        deaths=tuple(data.draw(st.permutations(seen.deaths))),
    )
    assert check_locks(shuffled, RULES) == check_locks(seen, RULES)


@given(seen=any_histories(), tolerances=st.tuples(times, times).map(sorted))
def test_more_tolerance_finds_nothing_more(seen, tolerances):
    strict, lenient = (check_locks(seen, replace(RULES, tolerance=tolerance)).anomalies for tolerance in tolerances)
    # a pause past the time to live may become one that is only late: the row is the same
    assert {one.rows[-1] for one in lenient} <= {one.rows[-1] for one in strict}
    assert len(lenient) <= len(strict)
