"""What may be kept, for whom: the cache around a small application, with a rule of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest
from dealradar.cache_store import CacheStore
from dealradar.response_cache import ResponseCache, Rule
from dealradar.settings import load_settings
from dealradar.valkey import Valkey

from tests.dealradar_process import environment

RULES = (Rule(re.compile("/kept"), ("things",), vary=("accept", "accept-language")),)


@dataclass
class App:
    """Answers with the headers that it is told to give, and counts."""

    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    status: int = 200
    asked: int = 0

    async def __call__(self, _scope, _receive, send) -> None:
        self.asked += 1
        body = str(self.asked).encode()
        await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})


Asked = Callable[[httpx.AsyncClient], Awaitable[object]]


@pytest.fixture
def run(servers, database_url, cache):  # noqa: ARG001
    """`run(app, work)`: what `work` returns, given a client of the application behind a cache."""

    def run(app: App, work: Asked) -> object:
        async def go() -> object:
            settings = load_settings({**environment(servers, database_url, {}), "BUILD_ID": "rules"})
            valkey = Valkey(settings.redis_url)
            cached = ResponseCache(app, CacheStore(valkey, settings), RULES)

            async def with_state(scope, receive, send) -> None:
                await cached({**scope, "state": {}}, receive, send)

            async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://x") as client:
                try:
                    return await work(client)
                finally:
                    await valkey.close()

        return asyncio.run(go())

    return run


async def twice(client: httpx.AsyncClient) -> list[str | None]:
    return [(await client.get("/kept")).headers.get("X-Cache") for _ in range(2)]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"set-cookie", b"a=b; Max-Age=0")],
        [(b"cache-control", b"no-store")],
        [(b"cache-control", b"max-age=5, private")],
        [(b"vary", b"Accept, Cookie")],
        [(b"vary", b"*")],
        [(b"vary", b"Accept"), (b"vary", b"Origin")],
    ],
    ids=str,
)
def test_what_is_not_for_everybody_is_neither_kept_nor_shared(run, headers):
    app = App(headers)
    assert run(app, twice) == ["MISS", "MISS"]

    async def together(client: httpx.AsyncClient) -> set[str]:
        return {answer.text for answer in await asyncio.gather(*(client.get("/kept") for _ in range(5)))}

    assert run(app, together) == {"3", "4", "5", "6", "7"}


@pytest.mark.parametrize("headers", [[], [(b"vary", b"accept")], [(b"vary", b"Accept-Language , ACCEPT")]], ids=str)
def test_what_varies_only_by_what_the_rule_names_is_kept(run, headers):
    assert run(App(headers), twice) == ["MISS", "HIT"]


def test_each_value_of_a_named_header_has_an_entry_of_its_own(run):
    async def by_language(client: httpx.AsyncClient) -> list[tuple[str, str]]:
        answers = [await client.get("/kept", headers={"Accept-Language": word}) for word in ("de", "en", "de")]
        return [(answer.headers["X-Cache"], answer.text) for answer in answers]

    assert run(App([(b"vary", b"Accept-Language")]), by_language) == [("MISS", "1"), ("MISS", "2"), ("HIT", "1")]


def test_one_spelling_of_a_query_is_as_good_as_another(run):
    async def spelt(client: httpx.AsyncClient) -> list[str]:
        targets = ("/kept?a=1&b=%20x", "/kept?b=+x&a=1", "/kept?a=1&b=%2520x", "/kept?a=1&a=2", "/kept?a=2&a=1")
        return [(await client.get(target)).headers["X-Cache"] for target in targets]

    assert run(App(), spelt) == ["MISS", "HIT", "MISS", "MISS", "MISS"]


def test_a_failure_is_shared_by_those_who_wait_and_not_kept(run):
    app = App(status=503)

    async def together(client: httpx.AsyncClient) -> list[tuple[str, str]]:
        answers = await asyncio.gather(*(client.get("/kept") for _ in range(5)))
        return [(answer.headers["X-Cache"], answer.text) for answer in answers]

    assert run(app, together) == [("MISS", "1")] * 5
    assert run(app, together) == [("MISS", "2")] * 5


def test_a_failure_that_depends_on_the_client_is_not_shared(run):
    async def together(client: httpx.AsyncClient) -> set[str]:
        return {answer.text for answer in await asyncio.gather(*(client.get("/kept") for _ in range(3)))}

    assert run(App([(b"vary", b"Cookie")], status=503), together) == {"1", "2", "3"}


@pytest.mark.parametrize(("method", "path"), [("POST", "/kept"), ("GET", "/other"), ("GET", "/kept/x")])
def test_what_no_rule_names_is_let_through(run, method, path):
    async def ask(client: httpx.AsyncClient) -> list[str | None]:
        return [(await client.request(method, path)).headers.get("X-Cache") for _ in range(2)]

    app = App()
    assert (run(app, ask), app.asked) == ([None, None], 2)
