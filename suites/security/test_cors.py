"""What a page of another origin may read or send (Fetch, 3.2)."""

from urllib.parse import urlsplit

import pytest

from harness.testing.probes import ask_cors, names_in

STRANGER = "https://stranger.example"


@pytest.mark.check("cors.stranger_reads", severity="critical", source="Fetch, 3.2.5", subject="GET {path}")
def test_a_stranger_reads_nothing_with_credentials(client, path):
    answer = ask_cors(client, path, STRANGER)
    assert not answer.may_read_with_credentials
    assert answer.simple.header("Access-Control-Allow-Origin") != STRANGER, "the origin is reflected"


@pytest.mark.check("cors.stranger_sends", severity="critical", source="Fetch, 4.8", subject="OPTIONS {path}")
def test_a_stranger_sends_nothing_but_simple_requests(client, path):
    assert not ask_cors(client, path, STRANGER).may_send


@pytest.mark.check("cors.wildcard", severity="high", source="Fetch, 3.2.5", subject="GET {path}")
def test_not_everybody_is_let_in(client, path):
    assert not ask_cors(client, path, STRANGER).lets_in_anyone


@pytest.mark.check("cors.null_origin", severity="high", source="Fetch, 3.1; PortSwigger, CORS", subject="GET {path}")
def test_a_sandboxed_frame_is_a_stranger(client, path):
    answer = ask_cors(client, path, "null")
    assert not answer.may_read
    assert not answer.may_send


@pytest.mark.check("cors.lookalike", severity="critical", source="PortSwigger, CORS", subject="{path}")
def test_a_lookalike_origin_is_a_stranger(client, path, target, stack_info):
    own = urlsplit(target.cors.origins[0] if target.cors.origins else stack_info.url)
    lookalikes = [
        f"{own.scheme}://{own.netloc}.stranger.example",
        f"{own.scheme}://stranger-{own.netloc}",
        f"{own.scheme}://sub.{own.netloc}",
        f"{'http' if own.scheme == 'https' else 'https'}://{own.netloc}",
    ]
    let_in = [
        origin for origin in lookalikes if origin not in target.cors.origins and ask_cors(client, path, origin).may_read
    ]
    assert let_in == []


@pytest.mark.check("cors.friend", severity="high", source="Fetch, 3.2.5", subject="GET {friendly_path}")
def test_a_listed_origin_is_let_in_by_name(client, friendly_path, target):
    for origin in target.cors.origins:
        answer = ask_cors(client, friendly_path, origin)
        assert answer.simple.header("Access-Control-Allow-Origin") == origin
        assert "origin" in names_in(answer.simple.header_lines("Vary"))


@pytest.mark.check(
    "cors.vary", severity="high", source="Fetch, CORS protocol and HTTP caches", subject="{friendly_path}"
)
def test_caches_are_told_that_the_origin_matters(client, friendly_path):
    answers = [client.exchange("GET", friendly_path), ask_cors(client, friendly_path, STRANGER).simple]
    assert [answer.status for answer in answers if "origin" not in names_in(answer.header_lines("Vary"))] == []
