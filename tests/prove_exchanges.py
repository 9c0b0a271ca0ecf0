"""Exchanges and wire defects, as tests of the proof write them."""

from __future__ import annotations

from pathlib import Path

from harness.prove.model import Defect, Expectation, Where
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

SEED = 17


def request(target="/api/deals", method="GET", client="127.0.0.1", **headers) -> ProxiedRequest:
    """A request; headers by name, `_` for `-`."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return ProxiedRequest(method=method, target=target, headers=(("Host", "shop.test"), *named), client=client)


def answer(body=b"", status=200, content_type="application/json", **headers) -> ProxiedAnswer:
    """An answer; headers by name, `_` for `-`."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    kind = (("Content-Type", content_type),) if content_type else ()
    return ProxiedAnswer(status=status, headers=(*kind, *named), body=body)


def wire(operator, called="some-defect", where=None, **args) -> Defect:
    """A defect of kind `wire`."""
    return Defect(
        id=called,
        kind="wire",
        area="some",
        title="Some defect",
        why="Somebody was in a hurry.",
        folder=Path("defects/wire") / called,
        expect=Expectation(criterion="e2e.api"),
        operator=operator,
        where=where or Where(),
        args=args,
    )
