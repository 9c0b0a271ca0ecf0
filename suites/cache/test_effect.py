"""Is a cached answer faster than the same answer computed? Measured against a second instance without cache.

Blocks of cached, uncached and once more uncached requests take turns in an order of chance; the ratio of medians gets
a bootstrap interval over blocks, and what two equal series seem to differ by is the noise of this machine
(docs/honest-numbers.md#comparisons).
"""

import secrets

import pytest

from harness.testing import context_of
from harness.testing.probes import TimedClients, compare_cached
from harness.testing.stats import minimum_detectable_effect, ratio_of_medians

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

BLOCKS = 10
PER_BLOCK = 12
FAMILY_LEVEL = 0.95


def pytest_generate_tests(metafunc):
    """Where there is nothing to compare, say so before anybody waits for the machine."""
    reason = why_not(context_of(metafunc.config))
    if reason and "uncached_url" in metafunc.fixturenames:
        skipped = pytest.param(None, marks=pytest.mark.skip(reason=reason), id="nothing")
        metafunc.parametrize("uncached_url", [skipped], indirect=True)


def why_not(context):
    """Why nothing can be compared here; "" where it can."""
    target = context.target
    if not target.cache.paths:
        return target.absent.get("cache", "the profile names no [cache] paths")
    if not target.cache.off:
        return "the profile's [cache] off does not say which setting turns the cache off"
    return (
        "" if context.info.owned else "an instance without cache can only be started beside a service that we started"
    )


@pytest.fixture
def uncached_url(stack, target):
    """A second instance of the same build on the same data, its cache off."""
    instance = stack.start_instance(target.cache.off)
    yield instance.url
    stack.stop_instance(instance)


@pytest.fixture
def samples(stack_info, target, token, uncached_url):
    """Latencies of all cached paths, interleaved."""
    roles = target.cache.roles
    headers = {path: {"Authorization": f"Bearer {token(role)}"} for path, role in roles.items()}
    limit = target.ratelimit.limit if target.ratelimit else 1000
    options = {
        "address_mode": target.clients.address,
        "timeout_s": target.service.timeout_s,
        "per_client": max(1, limit // 2),
        "headers_for": headers,
    }
    seed = secrets.randbelow(2**32)
    # both without the way through a proxy in front, where there is one
    (url, *_) = [instance.url for instance in stack_info.instances]
    with TimedClients(url, **options) as cached, TimedClients(uncached_url, **options) as uncached:
        return compare_cached(
            cached.get,
            uncached.get,
            target.cache.paths,
            blocks=BLOCKS,
            per_block=PER_BLOCK,
            seed=seed,
            header=target.cache.header,
        )


@pytest.mark.check(
    "cache.compared", severity="high", source="Kalibera & Jones 2013; Efron 1979", subject="all cached paths"
)
def test_a_cached_answer_is_compared_with_a_computed_one(samples, measure):
    # Bonferroni: the intervals of all paths hold at once
    level = 1 - (1 - FAMILY_LEVEL) / len(samples.paths)
    for path in samples.paths:
        assert dict(path.unusable) == {}, f"{path.path} did not answer every request"
        ratio = ratio_of_medians(path.uncached, path.cached, samples.seed, level)
        control = ratio_of_medians(path.uncached, path.uncached_again, samples.seed, level)
        facts = {
            "level": level,
            "method": f"bootstrap over {samples.blocks} blocks of {PER_BLOCK}, interleaved, Bonferroni",
            "subject": f"GET {path.path}",
            "n": path.count("cached") + path.count("uncached"),
            "seed": samples.seed,
        }
        median_ms = {kind: _median_ms(getattr(path, kind)) for kind in ("cached", "uncached")}
        measure(
            "cache.ratio",
            ratio.value,
            unit="ratio",
            statistic="ratio_of_medians",
            interval=(ratio.low, ratio.high),
            median_ms=median_ms,
            marks={kind: dict(found) for kind, found in path.marks.items()},
            minimum_detectable_effect=minimum_detectable_effect((control.low, control.high), level),
            **facts,
        )
        measure(
            "cache.noise",
            control.value,
            unit="ratio",
            statistic="ratio_of_medians",
            interval=(control.low, control.high),
            **facts,
        )


def _median_ms(blocks):
    ordered = sorted(seconds for block in blocks for seconds in block)
    return round(1000 * ordered[len(ordered) // 2], 4)
