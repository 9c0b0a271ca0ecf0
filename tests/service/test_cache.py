"""The response cache between clients, Valkey and PostgreSQL, and what it does while one of them is away."""

from __future__ import annotations

import concurrent.futures
import contextlib
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.dealradar_process import USER, Running, eventually, superuser_url
from tests.valkey_proxy import ValkeyProxy

REVIEWS = "/api/deals/1/reviews"
REVIEW = {"rating": 4, "title": "Bright", "body": "Very"}


def told(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.headers["X-Cache"]


@pytest.fixture
def proxy(servers) -> Iterator[ValkeyProxy]:
    with ValkeyProxy(servers.redis_url) as running:
        yield running


@pytest.fixture
def away(servers, database_url):
    """`with away():` this test's database accepts nobody."""
    name = urlsplit(database_url).path[1:].encode()

    @contextlib.contextmanager
    def cut() -> Iterator[None]:
        with psycopg.connect(superuser_url(servers), autocommit=True) as admin:
            admin.execute(b"ALTER DATABASE %b ALLOW_CONNECTIONS false" % name)
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name.decode()])
            try:
                yield
            finally:
                admin.execute(b"ALTER DATABASE %b ALLOW_CONNECTIONS true" % name)

    return cut


# --- what a hit costs, says and keeps


def test_a_hit_takes_one_round_trip(start, proxy):
    client = start(REDIS_URL=proxy.url).client()
    assert [told(client.get("/api/deals?limit=3")) for _ in range(2)] == ["MISS", "HIT"]
    proxy.sent.clear()
    assert {told(client.get("/api/deals?limit=3")) for _ in range(20)} == {"HIT"}
    # the list of what is asked for most is shared now and then, not on the way of a request
    sent = [[words[0] for words in commands] for commands in proxy.sent if commands[0][0] != b"ZINCRBY"]
    assert sent == [[b"EVALSHA"]] * 20


def test_a_hit_is_the_answer_itself_with_its_age(service):
    client = service.client()
    first = client.get("/api/deals?sort=price&limit=2")
    second = client.get("/api/deals?limit=2&sort=price")
    assert [told(first), told(second)] == ["MISS", "HIT"]
    assert (second.content, "Age" in first.headers) == (first.content, False)
    own = {"x-cache", "age", "date", "x-request-id", "ratelimit"}
    assert {n: v for n, v in second.headers.items() if n not in own} == {
        n: v for n, v in first.headers.items() if n not in own
    }
    eventually(lambda: int(client.get("/api/deals?sort=price&limit=2").headers["Age"]) >= 1)


def test_entries_do_not_run_out_all_at_once(start, cache):
    client = start(CACHE_TTL_SECONDS="1000", CACHE_STALE_SECONDS="100").client()
    for number in range(1, 25):
        told(client.get(f"/api/deals/{number}"))
    left = [cache.pttl(key) for key in cache.keys("dr:cache:*")]
    assert len(left) == 24
    assert 900_000 < min(left) < max(left) <= 1_200_000
    assert max(left) - min(left) > 40_000  # 24 of 200 s wide: less than that would be a chance of 1 in 10^14


@pytest.mark.parametrize(
    ("path", "status"), [("/api/deals/999999999", 404), ("/api/deals?limit=0", 422), ("/api/deals?limit=%00", 422)]
)
def test_errors_are_not_kept(service, cache, path, status):
    answers = [service.client().get(path) for _ in range(3)]
    assert [(answer.status_code, answer.headers["X-Cache"]) for answer in answers] == [(status, "MISS")] * 3
    assert cache.keys("dr:cache:*") == []


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer x"}, {"Cookie": "__Host-session=x"}], ids=str)
def test_requests_with_credentials_have_no_part_in_it(service, headers):
    client = service.client()
    assert [told(client.get("/api/deals")) for _ in range(2)] == ["MISS", "HIT"]
    assert client.get("/api/deals", headers=headers).headers.get("X-Cache") == "BYPASS"


def test_what_the_cache_did_is_counted(service):
    client = service.client()
    for _ in range(3):
        told(client.get("/api/comments"))
    client.get("/api/comments", headers={"Cookie": "a=b"})
    text = httpx.get(service.url + "/metrics", trust_env=False).text
    for line in (
        'dealradar_cache_requests_total{result="miss"} 1.0',
        'dealradar_cache_requests_total{result="hit"} 2.0',
        'dealradar_cache_requests_total{result="bypass"} 1.0',
        "dealradar_cache_computations_total 1.0",
        "dealradar_cache_age_seconds_count 2.0",
    ):
        assert line in text.splitlines()


# --- conditional reads


def test_who_has_the_representation_gets_no_body(start):
    cached, uncached = start().client(), start(CACHE_ENABLED="false").client()
    told(cached.get("/api/deals/1"))
    tag = cached.get("/api/deals/1").headers["ETag"]
    assert uncached.get("/api/deals/1").headers["ETag"] == tag
    for client in (cached, uncached):
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            for method in ("GET", "HEAD"):
                answer = client.request(method, "/api/deals/1", headers={"If-None-Match": known})
                assert (answer.status_code, answer.content) == (304, b"")
                assert answer.headers["ETag"] == tag
                assert not {"content-length", "content-type"} & set(answer.headers)
        for other in ('"x"', tag.strip('"'), "", 'W/"', "\x80", f'"{tag}"'):
            assert client.get("/api/deals/1", headers={"If-None-Match": other.encode("latin-1")}).status_code == 200


def test_a_changed_representation_has_another_tag(service):
    client = service.client()
    tags = [client.get(REVIEWS).headers["ETag"]]
    service.client(USER).post(REVIEWS, json=REVIEW).raise_for_status()
    answer = client.get(REVIEWS, headers={"If-None-Match": tags[0]})
    assert (answer.status_code, answer.headers["ETag"] != tags[0]) == (200, True)


# --- writers


def test_a_slow_reader_cannot_put_back_what_a_write_made_stale(start, proxy, cache):
    """The reader has read, and its entry is on the way to Valkey, while the write is committed."""
    slow, other = start(REDIS_URL=proxy.url), start()
    client, author = other.client(), other.client(USER)
    before = author.get(REVIEWS).json()["total"]
    proxy.hold(lambda words: words[0] == b"SET" and words[1].endswith(REVIEWS.encode()))
    with concurrent.futures.ThreadPoolExecutor() as threads:
        reading = threads.submit(slow.client().get, REVIEWS)
        assert proxy.held.wait(10)
        assert author.post(REVIEWS, json=REVIEW).status_code == 201
        # who asks after the write does not get what the reader began before it
        assert slow.client().get(REVIEWS).json()["total"] == before + 1
        assert reading.result().json()["total"] == before
        proxy.release()
    eventually(
        lambda: any(f'"total":{before},'.encode() in (cache.get(key) or b"") for key in cache.keys("dr:cache:*"))
    )
    answers = [client.get(REVIEWS) for _ in range(3)]
    assert [(told(answer), answer.json()["total"]) for answer in answers] == [
        ("MISS", before + 1),
        ("HIT", before + 1),
        ("HIT", before + 1),
    ]


def test_a_write_that_could_not_tell_valkey_is_not_forgotten(start, proxy):
    writer = start(REDIS_URL=proxy.url)
    client, author = writer.client(), writer.client(USER)
    before = client.get(REVIEWS).json()["total"]
    assert told(client.get(REVIEWS)) == "HIT"
    proxy.cut()
    assert author.post(REVIEWS, json=REVIEW).status_code == 201
    assert told(client.get(REVIEWS)) == "BYPASS"
    proxy.mend()
    seen = []
    eventually(lambda: seen.append(client.get(REVIEWS)) or told(seen[-1]) == "HIT")
    assert {answer.json()["total"] for answer in seen} == {before + 1}


# --- outages


def test_old_answers_are_served_while_the_database_is_away(start, away):
    service = start(CACHE_TTL_SECONDS="1")
    client, author = service.client(), service.client(USER)
    before = client.get(REVIEWS).json()["total"]
    kept = client.get("/api/deals?limit=2")
    author.post(REVIEWS, json=REVIEW).raise_for_status()
    with away():
        stale = client.get(REVIEWS)  # of an old generation: what was true before the write
        assert (told(stale), stale.json()["total"]) == ("STALE", before)
        eventually(lambda: told(client.get("/api/deals?limit=2")) == "STALE")
        eventually(lambda: int(client.get("/api/deals?limit=2").headers["Age"]) >= 2)
        assert client.get("/api/deals?limit=2").content == kept.content
        assert client.get("/api/deals?limit=4").status_code == 503
        for headers in ({"Authorization": author.headers["Authorization"]}, {"Cookie": "a=b"}):
            assert client.get(REVIEWS, headers=headers).status_code == 503
    eventually(lambda: client.get(REVIEWS).headers["X-Cache"] in {"MISS", "HIT"})
    assert client.get(REVIEWS).json()["total"] == before + 1


def test_no_old_answers_where_the_setting_allows_none(start, away):
    client = start(CACHE_TTL_SECONDS="1", CACHE_STALE_SECONDS="0").client()
    told(client.get(REVIEWS))
    with away():
        eventually(lambda: client.get(REVIEWS).status_code == 503)


def test_without_valkey_every_answer_is_computed(start, proxy):
    client = start(REDIS_URL=proxy.url).client()
    assert [told(client.get("/api/deals")) for _ in range(2)] == ["MISS", "HIT"]
    proxy.cut()
    assert {told(client.get("/api/deals")) for _ in range(5)} == {"BYPASS"}
    proxy.mend()
    eventually(lambda: told(client.get("/api/deals")) == "HIT")


def test_a_valkey_that_was_restarted_is_not_taken_for_one_that_is_away(start, proxy):
    """All connections are closed, and new ones are accepted at once."""
    client = start(REDIS_URL=proxy.url).client()
    with concurrent.futures.ThreadPoolExecutor(8) as threads:  # so that several connections are open and idle
        list(threads.map(lambda _: client.get("/api/deals"), range(40)))
    proxy.cut()
    proxy.mend()
    assert {told(client.get("/api/deals")) for _ in range(5)} == {"HIT"}


# --- the warmer


def test_what_was_hot_is_warm_before_anybody_asks_the_next_build(start):
    first = start(BUILD_ID="one")
    for _ in range(3):
        told(first.client().get("/api/deals?limit=7&category=audio"))
    assert first.terminate() == 0
    second = start(BUILD_ID=f"two-{uuid.uuid4().hex}")
    eventually(lambda: "warmed the cache" in second.log(), second.log)
    assert told(second.client().get("/api/deals?category=audio&limit=7")) == "HIT"
    assert told(second.client().get("/api/deals?limit=8")) == "MISS"


def test_warming_fails_quietly_and_the_service_starts(start, away, db):
    first: Running = start(BUILD_ID="one")
    told(first.client().get("/api/deals?limit=7"))
    assert first.terminate() == 0
    db.close()
    with away():
        second = start(wait=False, BUILD_ID="two")
        eventually(lambda: "warmed the cache" in second.log(), second.log)
        assert httpx.get(second.url + "/health/live", trust_env=False).status_code == 200
        assert '"level": "error"' not in second.log()
