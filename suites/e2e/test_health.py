"""Does the service say that it lives, and is that what it says?"""

import pytest

from harness.testing.probes import find_repeated_names, land, parse_media_type


@pytest.mark.check(
    "health.live",
    severity="critical",
    source="the profile's [health] live",
    why="Whoever runs the service restarts it by this answer.",
    remedy="Answer 200 while the process works, or correct [health] live.",
)
def test_it_lives(client, target):
    if not target.health.live:
        pytest.skip("the profile names no [health] live")
    status = client.exchange("GET", target.health.live).status
    assert status == 200, f"GET {target.health.live}, which says that the service lives, answered {status}"


@pytest.mark.check(
    "health.ready",
    severity="critical",
    source="the profile's [health] ready",
    why="Whoever runs the service sends it requests by this answer.",
    remedy="Answer 200 once requests can be served, or correct [health] ready.",
)
def test_it_is_ready(client, target):
    if not target.health.ready:
        pytest.skip("the profile names no [health] ready")
    status = client.exchange("GET", target.health.ready).status
    assert status == 200, f"GET {target.health.ready}, which says that the service is ready, answered {status}"


@pytest.mark.check(
    "health.build",
    source="the profile's [build] path",
    why="What was tested must be what is released.",
    remedy="Answer with the build's commit or version, or correct [build] path.",
)
def test_it_says_which_build_it_is(client, target):
    if not target.build.path:
        pytest.skip("the profile names no [build] path")
    answer = client.exchange("GET", target.build.path)
    assert answer.status == 200, f"GET {target.build.path}, which says which build this is, answered {answer.status}"
    assert len(answer.text) >= 8, f"GET {target.build.path} answered with {answer.text!r}, which names no build"


@pytest.mark.check(
    "api.answers",
    severity="high",
    source="RFC 9110, 15",
    subject="GET {path}",
    why="What a service shows to everybody must be there.",
    remedy="Mend what fails (harness logs), or leave the path out of the profile and the document.",
)
def test_every_known_path_answers(client, stack_info, surface, path):
    led = land(client.exchange, stack_info.url, path)
    assert not led.is_endless, f"{led} redirects in a circle"
    status = led.answer.status
    if 400 <= status < 500 and {str(status), "4XX"} & {*surface.foreseen.get(path, ())}:
        pytest.skip(f"not applicable: without parameters it answers {status}, which the document describes")
    if len(led.paths) > 1 and status in (404, 410) and led.path == "/":
        pytest.skip(f"not applicable: it leads to the front page, and the service has none ({status})")
    # a path may lead to a login, and shows no more to whoever has none
    asks = len(led.paths) > 1 and status in (401, 403)
    assert status < 400 or asks, f"{led} answered {status}"


@pytest.mark.check(
    "api.head",
    source="RFC 9110, 9.3.2 and 8.6",
    subject="HEAD {path}",
    why="Caches and link checkers ask with HEAD.",
    remedy="Answer HEAD as GET, without the body; leave Content-Length out where it is not known.",
)
def test_head_is_get_without_the_body(client, path):
    answer = client.exchange("HEAD", path)
    if answer.status in (405, 501):
        pytest.skip(f"the service answers HEAD with {answer.status}")
    if answer.status >= 400 and client.exchange("GET", path).status == answer.status:
        pytest.skip(f"not applicable: GET is answered {answer.status} too, which api.answers judges")
    assert answer.status < 400, f"HEAD {path} answered {answer.status}, and GET did not"
    if answer.header("Content-Length") == "0":
        size = client.exchange("GET", path).size
        assert size == 0, f"HEAD {path} says Content-Length: 0, and GET answers with {size} bytes"
    behind = client.surplus_behind("HEAD", path)
    assert behind is None or not behind.size, f"HEAD {path} is answered with a body: {behind.begins!r}"


@pytest.mark.check(
    "api.framing",
    severity="high",
    source="RFC 9112, 9.2 and 11.1",
    subject="GET {path}",
    why="What comes behind an answer is taken for the next one, which a proxy may give to somebody else.",
    remedy="Answer each request once, with as many bytes as Content-Length says, and HEAD with none.",
)
def test_nothing_comes_behind_an_answer(client, path):
    for method in ("GET", "HEAD"):
        behind = client.surplus_behind(method, path)
        assert behind is None or not (behind.size and behind.is_kept), (
            f"{method} {path} answered {behind.status}, and behind the answer's end came {behind.size} bytes or more "
            f"on a connection that stays open: {behind.begins!r}"
        )


@pytest.mark.check(
    "api.json",
    source="RFC 8259, 4 and 6; RFC 7493, 2.3",
    subject="GET {path}",
    why="What is no JSON, or says a name twice, is read in one way by one program and in another by the next.",
    remedy="Write the body by a JSON library, and null or a text where a number is NaN or infinite.",
)
def test_what_is_called_json_is_json(client, path):
    answer = client.exchange("GET", path)
    kind = parse_media_type(answer.header("Content-Type"))
    if kind is None or not kind.is_json or not answer.size or len(answer.body) < answer.size:
        pytest.skip("not applicable: the answer has no JSON, or more than is kept of it")
    answer.json()
    twice = find_repeated_names(answer.body)
    assert not twice, f"GET {path} answers with an object that says {', '.join(map(repr, twice))} twice"


@pytest.mark.check(
    "api.vary",
    severity="minor",
    source="RFC 9110, 12.5.5",
    subject="GET {path}",
    why="A cache that does not know that answers differ by Accept gives one reader the other's form.",
    remedy="Send Vary: Accept wherever the request's Accept decides what comes.",
)
def test_a_negotiated_answer_says_so(client, path):
    forms = [client.exchange("GET", path, headers={"Accept": kind}) for kind in ("text/html", "application/json")]
    kinds = [parse_media_type(answer.header("Content-Type")) for answer in forms]
    if any(answer.status >= 300 for answer in forms) or None in kinds or kinds[0].essence == kinds[1].essence:
        pytest.skip("not applicable: the answer is of one type, whatever Accept asks for")
    for answer in forms:
        named = {word.strip().lower() for line in answer.header_lines("Vary") for word in line.split(",")}
        is_stored = "no-store" not in (answer.header("Cache-Control") or "").lower()
        assert not is_stored or named & {"accept", "*"}, (
            f"GET {path} answers {kinds[0].essence} or {kinds[1].essence} by Accept, without Vary: Accept"
        )
