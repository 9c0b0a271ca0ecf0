"""Does the cache answer, and only where it may?"""

import pytest

from harness.testing import Exchange, eventually
from harness.testing.probes import parse_cache_control, spares_private_answers

ROUNDS = 4
LONG_ENOUGH_S = 5
BETWEEN_LOOKS_S = 0.2
MOST_DIGITS = 10
"""Of seconds: an Age beyond is none (RFC 9111, 1.2.2)."""


def told(answer: Exchange, target) -> str:
    """What the answer says of the cache, in capitals; "" if it says nothing."""
    return (answer.header(target.cache.header) or "").upper()


def age_of(answer: Exchange, target) -> int | None:
    """Seconds that an answer from the cache says to be old; None for one that was computed, or does not say."""
    age = answer.header("Age") or ""
    return int(age) if "HIT" in told(answer, target) and age.isdecimal() and len(age) <= MOST_DIGITS else None


@pytest.fixture
def asked(new_client, target):
    """`asked(path)`: ask as the profile says one must, with the login that the path needs."""
    clients = {}

    def ask(path: str, **headers: str) -> Exchange:
        role = target.cache.roles.get(path)
        if role not in clients:
            clients[role] = new_client(role=role)
        return clients[role].exchange("GET", path, headers=headers)

    return ask


@pytest.mark.check("cache.hit", severity="high", source="the profile's [cache] paths", subject="GET {cached_path}")
def test_the_second_answer_comes_from_the_cache(asked, cached_path, target):
    answers = [asked(cached_path) for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    # other tests write meanwhile, and a write empties what it touched: one hit in three repetitions is enough
    assert any("HIT" in told(answer, target) for answer in answers[1:]), [told(answer, target) for answer in answers]


@pytest.mark.check(
    "cache.private",
    severity="critical",
    source="RFC 9111, 3.5",
    subject="GET {cached_path}",
    why="What one account gets is served to whoever asks next.",
    remedy="Do not answer requests with Authorization from the cache, or send no `public` with answers to an account.",
)
def test_a_request_with_credentials_is_not_answered_from_the_shared_cache(new_client, cached_path, target):
    if cached_path in target.cache.roles:
        pytest.skip("not applicable: the path needs a login, its cache lies behind the check")
    roles = tuple(target.auth.roles)
    if not roles:
        pytest.skip(target.absent.get("auth", "the profile names no account"))
    client = new_client(role=roles[0])
    answers = [client.exchange("GET", cached_path) for _ in range(2)]
    kept = [answer for answer in answers if "HIT" in told(answer, target)]
    # what a cache must ask for again each time it may keep: `public, max-age=0, must-revalidate`
    rules = [(answer, parse_cache_control(answer.header_lines("Cache-Control"))) for answer in kept]
    careless = [answer.header("Cache-Control") for answer, control in rules if not spares_private_answers(control)]
    assert not careless, (
        f"GET {cached_path} with a login was answered from the cache, as {target.cache.header} says,"
        f" with Cache-Control: {careless[0]}"
    )


@pytest.mark.check("cache.behind_login", severity="critical", source="RFC 9111, 3.5", subject="GET {cached_path}")
def test_what_needs_a_login_is_not_cached_for_everybody(client, asked, cached_path, target):
    if cached_path not in target.cache.roles:
        pytest.skip("not applicable: the path needs no login")
    assert asked(cached_path).status == 200
    assert client.exchange("GET", cached_path).status in (401, 403)


@pytest.mark.check("cache.query", severity="critical", source="RFC 9111, 2", subject="GET {cached_path}")
def test_another_query_is_another_answer(client, new_client, cached_path, target):
    if cached_path in target.cache.roles:
        pytest.skip("not applicable: the path needs a login")
    queries = [f"{cached_path}{'&' if '?' in cached_path else '?'}limit={n}" for n in (1, 2)]
    # what a login gets is not from the cache, so it shows whether the query matters whatever the cache's keys are
    roles = tuple(target.auth.roles)
    past_the_cache = new_client(role=roles[0]) if roles else client
    one, two = (past_the_cache.exchange("GET", query) for query in queries)
    if one.status != 200 or two.status != 200:
        pytest.skip("the path takes no `limit`")
    if one.body == two.body:
        pytest.skip("`limit` changes nothing on this path")
    # other tests write meanwhile, and a write empties what it touched: once would prove little
    for _ in range(ROUNDS):
        one, two = (client.exchange("GET", query) for query in queries)
        assert one.body != two.body


@pytest.mark.check("cache.errors", severity="high", source="RFC 9110, 15.1", subject="GET {cached_path}")
def test_an_error_stays_one(asked, cached_path, target):
    errors = []
    for wrong in (f"{cached_path.partition('?')[0]}/999999999", f"{cached_path.partition('?')[0]}?limit=-1"):
        answers = [asked(wrong) for _ in range(ROUNDS)]
        if answers[0].status >= 400:
            errors.append(wrong)
            assert [answer.status for answer in answers] == [answers[0].status] * ROUNDS
            # what is not there may be remembered for a while, what went wrong may not
            assert answers[0].status in (404, 410) or not any("HIT" in told(answer, target) for answer in answers)
    if not errors:
        pytest.skip("not applicable: no error was found on this path")


@pytest.mark.check("cache.conditional", severity="normal", source="RFC 9110, 13.1.2", subject="GET {cached_path}")
def test_who_has_the_representation_gets_no_body(asked, cached_path):
    tag = asked(cached_path).header("ETag")
    if not tag:
        pytest.skip("not applicable: the answer has no ETag")
    changed = asked(cached_path, **{"If-None-Match": '"no-such-tag"'})
    assert changed.status == 200
    assert changed.size, "who has another representation gets none"
    for _ in range(3):
        answer = asked(cached_path, **{"If-None-Match": tag})
        if answer.status == 304:
            break
        # other tests write meanwhile: then this is another representation, and has another tag
        assert (answer.status, answer.header("ETag") != tag) == (200, True)
        tag = answer.header("ETag")
    # a tag that says of itself to be weak is the same one (RFC 9110, 8.8.3.2): a server that compresses adds the mark
    again = (answer.header("ETag") or "").removeprefix("W/")
    assert (answer.status, answer.body, again) == (304, b"", tag.removeprefix("W/"))


@pytest.mark.alone  # other tests write, and a write makes an answer young again
@pytest.mark.check("cache.ageing", severity="normal", source="RFC 9111, 5.1", subject="all cached paths")
def test_what_is_kept_grows_older(asked, target):
    if not target.cache.paths:
        pytest.skip(target.absent.get("cache", "not applicable: the profile names no [cache] paths"))
    kept = {}
    for path in target.cache.paths:
        ages = [age_of(asked(path), target) for _ in range(ROUNDS)]
        if ages[-1] is not None:
            kept[path] = ages[-1]
    if not kept:
        pytest.skip("not applicable: no answer from the cache says its age")
    for path, age in kept.items():
        # None: it is over, before it could grow older
        assert eventually(
            lambda path=path, age=age: (now := age_of(asked(path), target)) is None or now > age,
            f"the Age of {path} is more than {age}",
            seconds=LONG_ENOUGH_S,
            pause=BETWEEN_LOOKS_S,
        )
