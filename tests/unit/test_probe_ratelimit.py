"""The limiter's probe against limiters that work and limiters that do not, in a time that only the test moves."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from harness.probes.exchange import Exchange, SentRequest
from harness.probes.http import ServiceUnavailable
from harness.probes.limit_observation import LimitObservation
from harness.probes.ratelimit import LimitProbe, probe_limit

LIMIT = 20
WINDOW = 60.0


@dataclass
class Time:
    """A clock that moves when somebody sleeps, and by a millisecond with every request."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


Decide = Callable[[str, float], float | None]
"""(client, now) -> None to serve, or the seconds until the next one is served."""


def sliding(limit: int = LIMIT, window: float = WINDOW) -> Decide:
    log: dict[str, list[float]] = defaultdict(list)

    def decide(client: str, now: float) -> float | None:
        log[client] = [at for at in log[client] if at > now - window]
        if len(log[client]) >= limit:
            return log[client][0] + window - now
        log[client].append(now)
        return None

    return decide


def fixed(limit: int = LIMIT, window: float = WINDOW) -> Decide:
    counts: dict[tuple[str, int], int] = defaultdict(int)

    def decide(client: str, now: float) -> float | None:
        turn = int(now // window)
        counts[client, turn] += 1
        return None if counts[client, turn] <= limit else (turn + 1) * window - now

    return decide


def bucket(limit: int = LIMIT, window: float = WINDOW) -> Decide:
    level: dict[str, tuple[float, float]] = {}

    def decide(client: str, now: float) -> float | None:
        tokens, at = level.get(client, (float(limit), now))
        tokens = min(limit, tokens + (now - at) * limit / window)
        if tokens < 1:
            level[client] = (tokens, now)
            return (1 - tokens) * window / limit
        level[client] = (tokens - 1, now)
        return None

    return decide


def watch(
    decide: Decide,
    *,
    start: float = 1000.0,
    wait_text: Callable[[float], str | None] = lambda wait: str(math.ceil(wait)),
    status: int = 429,
    spoof: Decide | None = None,
    turn: Callable[[], object] | None = None,
) -> tuple[LimitObservation, Time]:
    time = Time(start)
    numbers = count(1)

    def send(client: str, by: Decide = decide) -> Exchange:
        with time.lock:
            time.now += 0.001
            wait = by(client, time.now)
        text = None if wait is None else wait_text(wait)
        return Exchange(
            method="GET",
            url="http://h/x",
            status=200 if wait is None else status,
            headers=() if text is None else (("Retry-After", text), ("RateLimit", '"default";r=0;t=9')),
            body=b"",
            size=0,
            elapsed_s=0.001,
        )

    probe = LimitProbe(
        send=send,
        fresh=lambda: f"client-{next(numbers)}",
        limit=LIMIT,
        window_s=WINDOW,
        spoof=None if spoof is None else lambda _: send("liar", spoof),
        clock=time.clock,
        sleep=time.sleep,
        connections=4,
        **({"turn": turn} if turn else {}),
    )
    return probe_limit(probe), time


@pytest.mark.parametrize("limiter", [sliding, fixed, bucket])
def test_a_limiter_that_works_is_seen_to_block_and_to_let_through(limiter: Callable[[], Decide]) -> None:
    seen, _ = watch(limiter())
    assert seen.blocked is not None
    assert seen.blocked is not None
    assert seen.blocked.sent == 22
    assert (seen.blocked.served, seen.blocked.refused) == (20, 2)
    assert seen.blocked.without_retry_after == 0
    assert seen.blocked.limit_headers == {"ratelimit": '"default";r=0;t=9'}
    assert seen.other_client is not None
    assert seen.other_client.served
    assert seen.heeded
    assert seen.after_wait is not None
    assert seen.after_wait.served
    assert seen.after_window is None
    assert seen.recovered
    assert seen.served_in_window <= 2 * LIMIT


def test_a_sliding_window_is_left_alone_until_its_promise() -> None:
    seen, time = watch(sliding())
    assert len(seen.bursts) == 1
    assert len(time.slept) == 1
    assert seen.waited_s == pytest.approx(WINDOW, abs=1.1)
    assert seen.served_in_window == LIMIT


def test_a_bucket_that_refills_is_tried_over_its_whole_window() -> None:
    seen, _ = watch(bucket())
    assert 5 <= len(seen.bursts) <= 12
    assert LIMIT < seen.served_in_window <= 2 * LIMIT


def test_a_fixed_window_that_turns_in_the_burst_is_tried_again() -> None:
    seen, _ = watch(fixed(), start=1019.99)  # turns at 1020, after ten requests
    assert [burst.refused for burst in seen.bursts][:2] == [0, 2]
    assert seen.bursts[0].client != seen.bursts[1].client
    assert seen.blocked is seen.bursts[1]


def test_a_limiter_that_never_refuses() -> None:
    seen, time = watch(lambda _client, _now: None)
    assert seen.blocked is None
    assert [burst.served for burst in seen.bursts] == [22, 22]
    assert len({burst.client for burst in seen.bursts}) == 2
    assert seen.after_wait is None
    assert not seen.recovered
    assert time.slept == []


def test_a_limiter_that_never_recovers() -> None:
    blocked: dict[str, int] = defaultdict(int)

    def decide(client: str, _now: float) -> float | None:
        blocked[client] += 1
        return None if blocked[client] <= LIMIT else 10.0

    seen, _ = watch(decide)
    assert seen.after_wait is not None
    assert seen.after_window is not None
    assert not seen.after_wait.served
    assert not seen.recovered
    assert seen.after_window.sent_s - seen.after_wait.answered_s >= WINDOW


def test_a_wait_that_is_named_too_short_is_seen_and_told_from_no_recovery() -> None:
    seen, _ = watch(sliding(), wait_text=lambda wait: str(math.ceil(wait / 4)))
    assert seen.heeded
    assert seen.after_wait is not None
    assert seen.after_wait.refused
    assert seen.recovered
    assert seen.waited_s < WINDOW / 2


def test_of_several_waits_the_latest_is_heeded() -> None:
    asked: dict[str, int] = defaultdict(int)
    until: dict[str, float] = {}

    def decide(client: str, now: float) -> float | None:
        asked[client] += 1
        if asked[client] <= LIMIT or now >= until.get(client, math.inf):
            return None
        wait = 40.0 - 5 * (asked[client] % 2)  # 40 s for one refusal, 35 s for the next
        until[client] = max(until.get(client, 0), now + wait)
        return wait

    seen, _ = watch(decide)
    assert seen.blocked is not None
    assert seen.blocked.retry_after_s == (35.0, 40.0)
    assert seen.after_wait is not None
    assert seen.after_wait.served


@pytest.mark.parametrize("text", ["3600", "soon", None])
def test_a_wait_that_is_too_long_or_unreadable_is_not_waited_for(text: str | None) -> None:
    seen, _ = watch(sliding(), wait_text=lambda _: text)
    assert not seen.heeded
    assert seen.waited_s == pytest.approx(WINDOW + 1, abs=0.1)
    assert seen.recovered
    assert seen.blocked is not None
    assert seen.blocked.retry_after_s == ((3600.0,) if text == "3600" else ())
    assert seen.blocked.without_retry_after == (0 if text == "3600" else 2)
    assert [answer.has_retry_after for answer in seen.blocked.answers if answer.refused] == [text is not None] * 2


def test_a_limit_that_is_too_low() -> None:
    seen, _ = watch(sliding(limit=15))
    assert seen.blocked is not None
    assert seen.blocked.served == 15


def test_a_window_that_is_too_short_lets_more_than_twice_the_limit_through() -> None:
    seen, _ = watch(fixed(window=10.0))
    assert seen.served_in_window > 2 * LIMIT
    assert len(seen.bursts) <= 4


def test_a_refusal_with_another_status_is_no_refusal() -> None:
    seen, _ = watch(sliding(), status=503)
    assert seen.blocked is None
    assert seen.bursts[0].statuses == {"200": 20, "503": 2}


def test_one_count_for_all_clients_shows_in_the_other_client() -> None:
    shared = sliding()
    seen, _ = watch(lambda _client, now: shared("everybody", now))
    assert seen.other_client is not None
    assert seen.other_client.refused


def test_a_client_that_lies_is_refused_where_the_peer_counts() -> None:
    counted = sliding()
    seen, _ = watch(sliding(), spoof=counted)
    assert seen.spoofing_refused is True
    assert len(seen.spoofed) == 1


def test_a_client_that_lies_with_success_is_seen() -> None:
    seen, _ = watch(sliding(), spoof=lambda _client, _now: None)
    assert seen.spoofing_refused is False
    assert len(seen.spoofed) == 2


def test_not_trying_to_lie_is_not_known() -> None:
    seen, _ = watch(sliding())
    assert seen.spoofing_refused is None


def test_a_service_that_dies_in_the_burst_is_not_served_and_says_why() -> None:
    def send(_client: str) -> Exchange:
        raise ServiceUnavailable("the connection was cut", SentRequest(method="GET", url="http://h/"))

    seen = probe_limit(LimitProbe(send=send, fresh=lambda: "a", limit=5, window_s=1.0))
    assert seen.blocked is None
    assert seen.bursts[0].served == 0
    assert seen.bursts[0].statuses == {"none": 6}
    assert seen.bursts[0].failures == ("the connection was cut",)


def test_a_burst_holds_a_turn_and_a_wait_does_not() -> None:
    held: list[bool] = []
    state = {"held": False}

    @contextmanager
    def turn() -> Iterator[None]:
        state["held"] = True
        yield
        state["held"] = False

    limiter = sliding()

    def decide(client: str, now: float) -> float | None:
        held.append(state["held"])
        return limiter(client, now)

    watch(decide, turn=turn)
    assert held == [True] * 22 + [False, False]  # then the other client, and the one after the wait


def test_where_clients_cannot_be_told_apart_nobody_disturbs_the_silence() -> None:
    time = Time()
    limiter = sliding()
    asked: list[float] = []

    def send(client: str) -> Exchange:
        with time.lock:
            time.now += 0.001
            asked.append(time.now)
            wait = limiter(client, time.now)
        headers = () if wait is None else (("Retry-After", str(math.ceil(wait))),)
        return Exchange(
            method="GET", url="http://h/", status=429 if wait else 200, headers=headers, body=b"", size=0, elapsed_s=0.0
        )

    seen = probe_limit(
        LimitProbe(send=send, fresh=lambda: "", limit=LIMIT, window_s=WINDOW, clock=time.clock, sleep=time.sleep)
    )
    assert seen.other_client is None
    assert seen.recovered
    assert len(asked) == 23
