"""No secret reaches a file of a run, and what hides it breaks no document."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.machine.redaction import MASK, SHORTEST, TOO_DEEP, Redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
SECRETS = st.text(min_size=SHORTEST, max_size=30).filter(lambda text: text.strip())
TEXTS = st.text(max_size=40)


def knowing(*secrets: str | None) -> Redactor:
    redact = Redactor()
    redact.learn(secrets)
    return redact


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgres://app:hunter2@db:5432/app", "postgres://app:***@db:5432/app"),
        ("redis://:hunter2@cache/0", "redis://:***@cache/0"),
        ("POSTGRESQL://app:p@ss@db/app", "POSTGRESQL://app:***@db/app"),
        (f"got {JWT}, expected none", "got ***, expected none"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("authorization=Token abc", "authorization=Token ***"),
        ("Proxy-Authorization: Basic YTpi", "Proxy-Authorization: Basic ***"),
        ("Authorization: opaque", "Authorization: ***"),
        ('{"Authorization": "Bearer abc"}', '{"Authorization": "Bearer ***"}'),
        ('[["authorization", "Bearer abc"]]', '[["authorization", "Bearer ***"]]'),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        ("Cookie: sid=abc; csrf=def", "Cookie: sid=***; csrf=***"),
        ("Set-Cookie: sid=abc; Path=/; HttpOnly", "Set-Cookie: sid=***; Path=/; HttpOnly"),
        ('{"password": "hunter2", "n": 1}', '{"password": "***", "n": 1}'),
        (r'{"password": "hun\"ter2", "n": 1}', '{"password": "***", "n": 1}'),
        (r'"{\"api_key\": \"hun\\\"ter2\", \"n\": 1}"', r'"{\"api_key\": \"***\", \"n\": 1}"'),
        ("{'access_token': 'it\\'s'}", "{'access_token': '***'}"),
        ("user=a&password=hunter2&x=1", "user=a&password=***&x=1"),
        ("GET /cb?access_token=abc&x=1", "GET /cb?access_token=***&x=1"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, clean):
    assert Redactor()(text) == clean
    assert Redactor()(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        'curl -sS -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/',
        """curl -sS -i --data-raw '{"password":"'"$PASSWORD"'"}' http://127.0.0.1:8000/login""",
        """curl -sS -i --data-raw 'password='"$PASSWORD" http://127.0.0.1:8000/login""",
        "http://127.0.0.1:8000/a:b@c",
        "needs authorization, then answers 401",
        "the cookie jar is empty: nothing to send",
        "suites/security/test_cookies.py::test_secret_name[/api/deals]",
    ],
)
def test_what_holds_no_secret_is_left_alone(text):
    assert Redactor()(text) == text


@pytest.mark.parametrize(
    ("learned", "leak"),
    [
        ("postgres://app:p%40ssw0rd@db/app", "p@ssw0rd"),
        ("postgres://app:p%40ssw0rd@db/app", "p%40ssw0rd"),
        ("redis://cache/0?password=hunter22", "hunter22"),
        ("host=db user=app password=hunter22", "hunter22"),
        ("host=db password='hun ter22' user=app", "hun ter22"),
        ("http://[broken", "http://[broken"),
        ("s3cr/t+v&lue", quote("s3cr/t+v&lue", safe="")),
        ('say "please"', r"say \"please\""),
        ("päßwort", json.dumps("päßwort")[1:-1]),
        ("<tag>secret", "&lt;tag&gt;secret"),
    ],
)
def test_a_known_secret_is_masked_however_it_is_spelled(learned, leak):
    assert knowing(learned)(f"before {leak} after") == "before *** after"


def test_short_values_and_nothing_are_not_learned():
    assert knowing("test", "", None, "redis://cache:6379/0")("a test of redis://cache:6379/0") == (
        "a test of redis://cache:6379/0"
    )


def test_members_of_data_keep_their_names_and_numbers():
    redact = knowing("detail", "31536000", "/login")
    seen = {
        "detail": {"value": 31536000, "password": "x", "headers": [["Cookie", "sid=1"], ["Age", "3"]]},
        "curl": ["curl -H 'X: /login'", "$TOKEN"],
        "token": "$TOKEN",
        "none": None,
        "yes": True,
    }
    assert redact.data(seen) == {
        "detail": {"value": 31536000, "password": MASK, "headers": [["Cookie", MASK], ["Age", "3"]]},
        "curl": ["curl -H 'X: ***'", "$TOKEN"],
        "token": "$TOKEN",
        "none": None,
        "yes": True,
    }


def test_a_name_that_a_target_gave_is_masked():
    seen = {"statuses": {"GET /deals?sig=Zk7Qm2Vt9LxPa4Rb": 200}, "X-Zk7Qm2Vt9LxPa4Rb": [{"Zk7Qm2Vt9LxPa4Rb": 1}]}
    clean = {"statuses": {"GET /deals?sig=***": 200}, "X-***": [{"***": 1}]}
    assert knowing("Zk7Qm2Vt9LxPa4Rb").data(seen) == clean
    assert knowing("Zk7Qm2Vt9LxPa4Rb").texts(seen) == clean


@given(secret=SECRETS.filter(lambda text: "://" not in text and "password=" not in text), before=TEXTS, after=TEXTS)
@settings(deadline=None)
def test_no_known_secret_survives_in_text(secret, before, after):
    redact = knowing(secret)
    assert secret not in redact(f"{before}{secret}{after}")
    cleaned = redact(json.dumps({"": before + secret + after}, ensure_ascii=False))
    assert secret not in json.loads(cleaned)[""]


@given(
    secret=SECRETS,
    names=st.lists(st.sampled_from(["detail", "message", "password", "cookie", "n"]), unique=True, max_size=4),
    content=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=8,
    ),
)
@settings(deadline=None)
def test_data_keeps_its_shape(secret, names, content):
    cleaned = knowing(secret).data({name: [content, secret] for name in names})
    assert list(cleaned) == names
    for name in names:
        assert len(cleaned[name]) == 2
    assert json.loads(json.dumps(cleaned)) == cleaned


@given(secret=st.text(min_size=SHORTEST, max_size=20, alphabet=st.characters(min_codepoint=32, max_codepoint=0x17F)))
@settings(deadline=None)
def test_a_line_of_json_stays_one(secret):
    line = json.dumps({"message": f"got {secret}", "header": f"Authorization: Bearer {secret}", "password": secret})
    cleaned = json.loads(Redactor()(line))
    assert cleaned["password"] == MASK or cleaned["password"].startswith(("$", "'\"$"))


ODD = "hX9 p@ss/w+rd&<é\">'k"


@pytest.mark.parametrize(
    "leak",
    [
        re.sub("%..", lambda escape: escape[0].lower(), quote(ODD, safe="")),
        quote(quote(ODD, safe=""), safe=""),
        base64.b64encode(ODD.encode()).decode(),
        base64.urlsafe_b64encode(ODD.encode()).decode(),
        base64.b64encode(f"admin:{ODD}".encode()).decode(),
        base64.b64encode(f"ab:{ODD}\n".encode()).decode(),
        ODD.encode().hex(),
        ODD.encode().hex().upper(),
        json.dumps(json.dumps(ODD)),
        json.dumps(ODD).replace("/", "\\/"),
        html.escape(ODD).replace("&#x27;", "&apos;"),
        html.escape(ODD).replace("&#x27;", "&#39;"),
        repr(ODD.encode()),
        shlex.quote(ODD).replace("'\"'\"'", "'\\''"),
    ],
)
def test_a_known_secret_is_masked_in_what_gives_it_back(leak):
    clean = knowing(ODD)(f"dump {leak} end")
    assert MASK in clean
    assert len(clean) < len(f"dump {MASK} end") + 12


def test_a_text_that_spells_a_secret_in_every_round_goes_as_a_whole():
    secret = "abc***def"
    text = secret
    for _ in range(20):
        text = text.replace("***", secret)
    assert knowing(secret)(text) == MASK


def test_half_a_surrogate_pair_is_a_secret_like_any_other():
    assert knowing("\ud800-token")("got \ud800-token") == "got ***"


def test_data_that_lies_too_deep_is_not_kept():
    nested: object = "x"
    for _ in range(5000):
        nested = [nested]
    assert TOO_DEEP in json.dumps(Redactor().data({"body": nested}), ensure_ascii=False)


@pytest.mark.parametrize(
    ("secret", "before"),
    [
        ("000000", "\x00"),
        ("n12345", "\n"),
        ("00abcdef", "\x01"),
        ("b00000", "x\\\b"),
        ("n12345", "\\n"),
        ("n12345", "\\\n"),
    ],
)
def test_a_mask_breaks_no_escape(secret, before):
    for text in (before + secret, before + secret[2:], before + secret[1:]):
        assert secret not in json.loads(knowing(secret)(json.dumps({"message": text})))["message"]
