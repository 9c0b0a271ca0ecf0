"""The rate limiter, proven both ways: it lets through up to the limit, refuses beyond it, and lets through again.

One probe is watched by all tests here; it takes about one window of the limiter, and waits for most of it.
"""

import pytest

from harness.testing import is_loopback
from harness.testing.probes import LimitClients, LimitProbe, probe_limit

pytestmark = [pytest.mark.beside, pytest.mark.attacks, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def seen(target, stack_info, turn):
    """What the probe saw."""
    limit = target.ratelimit
    if limit is None:
        pytest.skip(target.absent.get("ratelimit", "the profile has no [ratelimit]"))
    can_lie = target.clients.address == "x-forwarded-for" and is_loopback(stack_info.untrusted_url or stack_info.url)
    with LimitClients(
        stack_info.url,
        limit.path,
        address_mode=target.clients.address,
        timeout_s=target.service.timeout_s,
        untrusted_url=stack_info.untrusted_url,
        ca_file=stack_info.ca_file,
    ) as clients:
        return probe_limit(
            LimitProbe(
                send=clients.send,
                fresh=clients.fresh,
                limit=limit.limit,
                window_s=limit.window_s,
                spoof=clients.spoof if can_lie else None,
                turn=turn,
            )
        )


def blocked(seen):
    """The burst in which the limiter refused; a limiter that never does fails every test that needs one."""
    sent = ", ".join(
        f"{burst.sent} requests of {burst.client or 'one client'}: {dict(burst.statuses)}" for burst in seen.bursts
    )
    assert seen.blocked is not None, f"never refused: {sent}; the limit is {seen.limit} in {seen.window_s:g} s"
    return seen.blocked


@pytest.mark.check("ratelimit.within", severity="high", source="the profile's [ratelimit]", subject="within the limit")
def test_every_request_within_the_limit_is_served(seen):
    burst = seen.blocked or seen.bursts[-1]
    assert burst.failures == ()
    assert set(burst.statuses) <= {"200", "429"}
    assert burst.served >= seen.limit


@pytest.mark.check("ratelimit.refused", severity="critical", source="RFC 6585, 4", subject="beyond the limit")
def test_requests_beyond_the_limit_are_refused(seen):
    burst = blocked(seen)
    assert burst.refused >= 1
    assert burst.served < burst.sent


@pytest.mark.check("ratelimit.retry_after", source="RFC 9110, 10.2.3", subject="refusals")
def test_a_refusal_says_when_to_come_back(seen):
    burst = blocked(seen)
    assert burst.without_retry_after == 0, f"{burst.without_retry_after} of {burst.refused} refusals had no Retry-After"
    assert 1 <= max(burst.retry_after_s) <= seen.window_s + 1


@pytest.mark.check("ratelimit.recovered", severity="high", source="RFC 9110, 10.2.3", subject="after Retry-After")
def test_the_client_is_served_again_when_it_was_told(seen):
    blocked(seen)
    assert seen.heeded, "no usable Retry-After, so only the whole window could be waited for"
    assert seen.after_wait is not None
    assert seen.after_wait.served, f"still refused after {seen.waited_s:.1f} s"


@pytest.mark.check("ratelimit.window", severity="high", source="the profile's [ratelimit]", subject="one window")
def test_one_window_serves_at_most_twice_the_limit(seen):
    blocked(seen)
    assert seen.limit <= seen.served_in_window <= 2 * seen.limit


@pytest.mark.check("ratelimit.others", severity="high", source="the profile's [clients]", subject="another client")
def test_another_client_is_not_punished(seen):
    blocked(seen)
    if seen.other_client is None:
        pytest.skip("clients of this target cannot be told apart ([clients] address)")
    assert seen.other_client.served


@pytest.mark.check(
    "ratelimit.spoofed", severity="critical", source="OWASP ASVS 5, V2.4; CWE-348", subject="X-Forwarded-For"
)
def test_a_lie_about_the_address_does_not_help(seen):
    blocked(seen)
    if seen.spoofing_refused is None:
        pytest.skip("no untrusted peer can be played here: the target trusts no proxy, or is not on this machine")
    assert seen.spoofing_refused, "a peer that nobody trusts escaped the limit by naming other addresses"
