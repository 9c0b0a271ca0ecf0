"""Latencies of cached and uncached answers, taken in turn, so that whatever slows the machine slows both
(docs/honest-numbers.md#comparisons).

Uncached means a second instance on the same data with its cache off. Each round holds one block of each kind, in an
order that chance decides: `cached`, `uncached`, and `uncached_again`, which differs from `uncached` in nothing; what
those two seem to differ by is the noise of this machine in these minutes. Statistics are `harness.stats`' business.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.probes.timed_get import TimedAnswer

Send = Callable[[str], TimedAnswer]
"""A timed GET of a path."""

Blocks = tuple[tuple[float, ...], ...]
"""Service times in seconds, one tuple a block."""

KINDS = ("cached", "uncached", "uncached_again")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSamples:
    """What was measured of one path. Only answers with status 2xx are samples; all others are in `unusable`."""

    path: str
    cached: Blocks
    uncached: Blocks
    uncached_again: Blocks
    marks: Mapping[str, Mapping[str, int]]
    """Kind -> value of the cache's header ("" where it is absent) -> how many samples carried it."""
    unusable: Mapping[str, Mapping[str, int]]
    """Kind -> status -> how many answers were no samples."""
    sizes: Mapping[str, tuple[int, ...]]
    """Kind -> the different lengths of the body in bytes: equal answers are compared with equal ones."""

    def count(self, kind: str) -> int:
        """How many samples of that kind there are."""
        blocks: Blocks = getattr(self, kind)
        return sum(len(block) for block in blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSamples:
    """All paths of one comparison, and how they were measured."""

    paths: tuple[PathSamples, ...]
    blocks: int
    per_block: int
    warm_up: int
    """Requests of each kind before the first block; none of them is a sample."""
    seed: int
    seconds: float


@dataclass(slots=True)
class _Tally:
    """Samples of one path and kind while they are taken."""

    blocks: list[tuple[float, ...]] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)
    sizes: set[int] = field(default_factory=set)

    def take(self, send: Send, path: str, count: int, header: str) -> None:
        """One block of `count` requests."""
        block: list[float] = []
        for _ in range(count):
            answer = send(path)
            if 200 <= answer.status < 300:
                block.append(answer.seconds)
                self.marks[answer.headers.get(header, "")] += 1
                self.sizes.add(answer.size)
            else:
                self.unusable[str(answer.status)] += 1
        if block:
            self.blocks.append(tuple(block))


def compare_cached(
    send_cached: Send,
    send_uncached: Send,
    paths: Sequence[str],
    *,
    blocks: int,
    per_block: int,
    seed: int,
    header: str = "x-cache",
    warm_up: int = 3,
) -> CacheSamples:
    """Measure all paths. Raises `ValueError` where there would be nothing to compare, and what the senders raise."""
    if not paths or blocks < 2 or per_block < 1:
        raise ValueError(f"a comparison needs a path, 2 blocks and 1 request: got {len(paths)}, {blocks}, {per_block}")
    begun = time.perf_counter()
    for path in paths:
        for _ in range(warm_up):
            send_cached(path)
            send_uncached(path)
    senders = {"cached": send_cached, "uncached": send_uncached, "uncached_again": send_uncached}
    tallies = {path: {kind: _Tally() for kind in KINDS} for path in paths}
    for path, kind in _drawn_order(paths, blocks, seed):
        tallies[path][kind].take(senders[kind], path, per_block, header.lower())
    return CacheSamples(
        paths=tuple(_samples(path, tallies[path]) for path in paths),
        blocks=blocks,
        per_block=per_block,
        warm_up=warm_up,
        seed=seed,
        seconds=time.perf_counter() - begun,
    )


def _drawn_order(paths: Sequence[str], blocks: int, seed: int) -> Iterator[tuple[str, str]]:
    """Every path and kind once a round, in an order that no drift of the machine follows."""
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    for _ in range(blocks):
        order = [(path, kind) for path in paths for kind in KINDS]
        chance.shuffle(order)
        yield from order


def _samples(path: str, tallies: Mapping[str, _Tally]) -> PathSamples:
    return PathSamples(
        path=path,
        cached=tuple(tallies["cached"].blocks),
        uncached=tuple(tallies["uncached"].blocks),
        uncached_again=tuple(tallies["uncached_again"].blocks),
        marks={kind: dict(tally.marks) for kind, tally in tallies.items()},
        unusable={kind: dict(tally.unusable) for kind, tally in tallies.items() if tally.unusable},
        sizes={kind: tuple(sorted(tally.sizes)) for kind, tally in tallies.items()},
    )
