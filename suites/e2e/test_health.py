"""Does the service say that it lives, and is that what it says?"""

import pytest


@pytest.mark.check("health.live", severity="critical", source="the profile's [health] live")
def test_it_lives(client, target):
    if not target.health.live:
        pytest.skip("the profile names no [health] live")
    assert client.exchange("GET", target.health.live).status == 200


@pytest.mark.check("health.ready", severity="critical", source="the profile's [health] ready")
def test_it_is_ready(client, target):
    if not target.health.ready:
        pytest.skip("the profile names no [health] ready")
    assert client.exchange("GET", target.health.ready).status == 200


@pytest.mark.check("health.build", source="the profile's [build] path")
def test_it_says_which_build_it_is(client, target):
    if not target.build.path:
        pytest.skip("the profile names no [build] path")
    answer = client.exchange("GET", target.build.path)
    assert answer.status == 200
    assert len(answer.text) >= 8


@pytest.mark.check("api.answers", severity="high", source="RFC 9110, 15", subject="GET {path}")
def test_every_known_path_answers(client, path):
    assert client.exchange("GET", path).status < 400


@pytest.mark.check("api.head", source="RFC 9110, 9.3.2", subject="HEAD {path}")
def test_head_is_get_without_the_body(client, path):
    answer = client.exchange("HEAD", path)
    if answer.status in (405, 501):
        pytest.skip(f"the service answers HEAD with {answer.status}")
    assert answer.status < 400
    assert answer.size == 0
