"""One mistake made on the wire, as the proxy's handler."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from random import Random

from harness.prove.model import Defect
from harness.prove.wire import diff
from harness.prove.wire.operations import Operations, WhereFilter
from harness.prove.wire.operators import OPERATORS, Mutation, mutation_of
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest, Send

_CODING = "Accept-Encoding"


class WireMutant:
    """Changes the exchanges that its defect names, and counts them.

    The handler of one proxy: called by that proxy's loop alone, while any thread may read `seen`, `applied` and
    `sample`. Operators that read bodies need them without a content coding: for those alone the service is asked with
    `Accept-Encoding: identity`, and an answer that is coded nevertheless is left as it is.
    """

    def __init__(self, defect: Defect, operations: Iterable[str], seed: int) -> None:
        """`operations` as the OpenAPI document names them: `GET /x/{id}`. Raises ConfigError for a wrong defect."""
        self._mutation = mutation_for(defect, seed)
        self._operator = OPERATORS[defect.operator]
        self._filter = WhereFilter(defect.where, Operations(operations))
        self.seen = 0
        """Exchanges that the defect's `where` takes."""
        self.applied = 0
        """Those that were changed."""
        self.sample: tuple[str, str] | None = None
        """The changed facet of the first of them, before and after, without secrets."""

    async def __call__(self, request: ProxiedRequest, send: Send) -> ProxiedAnswer:
        """Pass on the request, and the answer, with the mistake in one of them."""
        if self._operator.asks:
            return await send(self._asked(request))
        answer = await send(_plain(request) if self._reads(request) else request)
        if not self._filter.takes(request, answer):
            return answer
        self.seen += 1
        changed = self._mutation.answer(request, answer)
        delay_s = self._mutation.delay_s(asyncio.get_running_loop().time())
        if changed is None and not delay_s:
            return answer
        if self.sample is None:
            self.sample = diff.answers(answer, changed or answer, delay_s)
        self.applied += 1
        if delay_s:
            await asyncio.sleep(delay_s)
        return changed or answer

    def _reads(self, request: ProxiedRequest) -> bool:
        # whether the path is one that the service has is known with the answer alone
        return self._operator.reads_body and any(self._filter.asks(request, status) for status in (200, 404))

    def _asked(self, request: ProxiedRequest) -> ProxiedRequest:
        if not self._filter.asks(request):
            return request
        self.seen += 1
        asked = self._mutation.request(request)
        if asked is None:
            return request
        if self.sample is None:
            self.sample = diff.requests(request, asked)
        self.applied += 1
        return asked


def mutation_for(defect: Defect, seed: int) -> Mutation:
    """The mutation that a seed makes of a defect: each defect draws for itself, whatever runs beside it."""
    return mutation_of(defect, Random(f"{seed} {defect.id}"))  # noqa: S311 - to be repeated, no secret


def _plain(request: ProxiedRequest) -> ProxiedRequest:
    headers = tuple(pair for pair in request.headers if pair[0].lower() != _CODING.lower())
    return replace(request, headers=(*headers, (_CODING, "identity")))
