"""What a page of another origin may read or send (Fetch, 3.2).

Where any origin is let in with the user's cookies, `cors.stranger_reads` says so, and no other check says it again.
"""

from urllib.parse import urlsplit

import pytest

from harness.testing.probes import ask_cors, in_words, names_in

STRANGER = "https://stranger.example"


@pytest.fixture
def stranger(client, path):
    """What a stranger is told, if not all are let in with credentials: then there is nothing more to ask."""
    answer = ask_cors(client, path, STRANGER)
    if answer.may_read_with_credentials:
        pytest.skip("not applicable: any origin is let in with credentials, as cors.stranger_reads says")
    return answer


@pytest.mark.check(
    "cors.stranger_reads",
    severity="critical",
    source="Fetch, 3.2.5",
    subject="GET {path}",
    why="A page of any site reads, with the visitor's cookies, what only the visitor may see.",
    remedy="Compare Origin with a list; never send it back together with Access-Control-Allow-Credentials: true.",
)
def test_a_stranger_reads_nothing_with_credentials(client, path):
    answer = ask_cors(client, path, STRANGER)
    assert not answer.may_read_with_credentials, (
        f"{in_words(answer.simple)} to Origin: {STRANGER} with that origin in Access-Control-Allow-Origin"
        " and Access-Control-Allow-Credentials: true: any site reads it with the visitor's cookies"
    )


@pytest.mark.check(
    "cors.stranger_sends",
    severity="critical",
    source="Fetch, 4.8",
    subject="OPTIONS {path}",
    why="A page of any site sends requests that change things, with the visitor's cookies.",
    remedy="Answer preflights of unknown origins without Access-Control-Allow-Origin.",
)
def test_a_stranger_sends_nothing_but_simple_requests(stranger):
    assert not stranger.may_send_with_credentials, (
        f"{in_words(stranger.preflight)} to Origin: {STRANGER}, and lets its {stranger.asked_method} through with"
        " the visitor's cookies (Access-Control-Allow-Credentials: true)"
    )


@pytest.mark.check(
    "cors.wildcard",
    severity="normal",
    source="Fetch, 3.2.5",
    subject="GET {path}",
    why="Everybody may read what the service meant for some; with credentials no browser follows it.",
    remedy="Name the origins that may read; for public data send `*` without Access-Control-Allow-Credentials.",
)
def test_not_everybody_is_let_in(stranger, target):
    simple, everybody = stranger.simple, stranger.lets_in_anyone or stranger.may_read
    credentials = (simple.header("Access-Control-Allow-Credentials") or "").strip().lower() == "true"
    assert not (everybody and credentials), (
        f"{in_words(simple)} with Access-Control-Allow-Origin: * and Access-Control-Allow-Credentials: true,"
        " which no browser takes together: somebody wants to let every site in with cookies"
    )
    if everybody and not target.cors.origins:
        pytest.skip("not applicable: everybody may read it, without credentials, and [cors] names no origins")
    told = simple.header("Access-Control-Allow-Origin") or stranger.preflight.header("Access-Control-Allow-Origin")
    assert not everybody, (
        f"{in_words(simple)} with Access-Control-Allow-Origin: {told} to a stranger, although the profile names the"
        " origins that may read"
    )


@pytest.mark.check(
    "cors.null_origin",
    severity="high",
    source="Fetch, 3.1; PortSwigger, CORS",
    subject="GET {path}",
    why="Any site can make a frame whose origin is `null`, and reads from within it.",
    remedy="Take `null` out of the list of origins.",
)
def test_a_sandboxed_frame_is_a_stranger(client, path, stranger):
    if stranger.may_read:
        pytest.skip("not applicable: everybody may read it without credentials")
    answer = ask_cors(client, path, "null")
    assert not answer.may_read, f"{in_words(answer.simple)} to Origin: null with that origin let in"
    assert not answer.may_send, f"{in_words(answer.preflight)} to Origin: null, and lets its PUT through"


@pytest.mark.check(
    "cors.lookalike",
    severity="critical",
    source="PortSwigger, CORS",
    subject="{path}",
    why="Whoever registers a name that begins or ends like a listed one is let in.",
    remedy="Compare the whole origin with each of the list, not its beginning, its end or a pattern.",
)
def test_a_lookalike_origin_is_a_stranger(client, path, target, stack_info, stranger):
    if stranger.may_read:
        pytest.skip("not applicable: everybody may read it without credentials")
    own = urlsplit(target.cors.origins[0] if target.cors.origins else stack_info.url)
    lookalikes = [
        f"{own.scheme}://{own.netloc}.stranger.example",
        f"{own.scheme}://stranger-{own.netloc}",
        f"{own.scheme}://sub.{own.netloc}",
    ]
    if own.scheme == "https":
        # whoever is on the way may play the same host over plain HTTP; over TLS nobody else can
        lookalikes.append(f"http://{own.netloc}")
    let_in = [
        origin for origin in lookalikes if origin not in target.cors.origins and ask_cors(client, path, origin).may_read
    ]
    assert let_in == [], f"GET {path} lets in origins that only look like a listed one: {', '.join(let_in)}"


@pytest.mark.check(
    "cors.friend",
    severity="high",
    source="Fetch, 3.2.5",
    subject="GET {friendly_path}",
    why="The pages that the service is for cannot read it.",
    remedy="Send the origin of the request back if it is on the list, with `Vary: Origin`.",
)
def test_a_listed_origin_is_let_in_by_name(client, friendly_path, target):
    for origin in target.cors.origins:
        answer = ask_cors(client, friendly_path, origin).simple
        told = answer.header("Access-Control-Allow-Origin")
        assert told == origin, (
            f"{in_words(answer)} to Origin: {origin}, which the profile lists, with Access-Control-Allow-Origin: {told}"
            if told
            else f"{in_words(answer)} to Origin: {origin}, which the profile lists, without Access-Control-Allow-Origin"
        )
        assert "origin" in names_in(answer.header_lines("Vary")), (
            f"{in_words(answer)} to Origin: {origin} without Vary: Origin"
        )


@pytest.mark.check(
    "cors.vary",
    severity="high",
    source="Fetch, CORS protocol and HTTP caches",
    subject="{friendly_path}",
    why="A cache serves the answer to one origin to another, which is then let in or shut out by mistake.",
    remedy="Send `Vary: Origin` with every answer of such a path, to requests without Origin too.",
)
def test_caches_are_told_that_the_origin_matters(client, friendly_path):
    answers = [client.exchange("GET", friendly_path), ask_cors(client, friendly_path, STRANGER).simple]
    silent = [answer for answer in answers if "origin" not in names_in(answer.header_lines("Vary"))]
    assert not silent, f"{in_words(silent[0])} without Vary: Origin, although it depends on the origin"
