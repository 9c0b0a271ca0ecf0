"""What the healthy service exchanged while its tests ran, and which of them saw it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from harness.prove.wire.facets import ObservedExchange, SampledExchange, observe
from harness.prove.wire.operations import Operations
from harness.proxy import ProxiedAnswer, ProxiedRequest, Send
from harness.pytest_plugin.timeline import Journal, Timeline

_MOST_SAMPLES = 2000


class TrafficRecorder:
    """A proxy's handler that changes nothing and remembers what it saw."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.exchanges: list[tuple[float, ObservedExchange]] = []
        """When each began, by the machine's monotonic clock, and what it showed."""
        self.samples: dict[tuple[str, str, int, str], SampledExchange] = {}

    async def __call__(self, request: ProxiedRequest, send: Send) -> ProxiedAnswer:
        """Pass it on."""
        begun = time.monotonic()
        answer = await send(request)
        seen = observe(request, answer, self._operations)
        self.exchanges.append((begun, seen))
        if seen.kind not in self.samples and len(self.samples) < _MOST_SAMPLES:
            self.samples[seen.kind] = SampledExchange(operation=seen.operation, request=request, answer=answer)
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Exchanges that look alike, once, with the tests that saw one of them."""

    seen: tuple[ObservedExchange, ...] = ()
    samples: tuple[SampledExchange, ...] = ()
    unowned: int = field(default=0)
    """Exchanges while no test ran: pytest's own look at the service."""

    def joined(self, other: Traffic) -> Traffic:
        """Both together."""
        return Traffic(
            seen=_merged((*self.seen, *other.seen)),
            samples=(*self.samples, *other.samples),
            unowned=self.unowned + other.unowned,
        )


def traffic_of(recorder: TrafficRecorder, journal: Journal) -> Traffic:
    """Give each exchange to the test that ran when it began, and to all that use the fixture that was being set up."""
    timeline = Timeline(journal)
    found: list[ObservedExchange] = []
    unowned = 0
    for begun, seen in tuple(recorder.exchanges):
        owners = timeline.owners(begun, begun)
        unowned += not owners
        found.append(replace(seen, test_ids=owners))
    return Traffic(seen=_merged(found), samples=tuple(recorder.samples.values()), unowned=unowned)


def witnesses(seen: Iterable[ObservedExchange]) -> frozenset[str]:
    """Tests behind any of these exchanges."""
    return frozenset(test for one in seen for test in one.test_ids)


def _merged(found: Iterable[ObservedExchange]) -> tuple[ObservedExchange, ...]:
    by_look: dict[ObservedExchange, set[str]] = {}
    for one in found:
        by_look.setdefault(replace(one, test_ids=frozenset()), set()).update(one.test_ids)
    return tuple(replace(look, test_ids=frozenset(tests)) for look, tests in by_look.items())
