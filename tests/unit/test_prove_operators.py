"""Operators: what each makes of an exchange, and what it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.prove.model import Where
from harness.prove.wire.mutant import mutation_for
from harness.prove.wire.operators import OPERATORS, facet_of, validate
from tests.prove_exchanges import SEED, answer, request, wire

PAGE = "text/html; charset=utf-8"


LITERATURE = {
    *("R2XX", "R4XX", "R5XX"),
    *("CTC", "CTD", "CPC", "CPD", "LHC", "LHD"),
    *("AEA", "AER", "AEE", "EAS"),
    *("OPA", "OPR", "OTPR"),
    *("PTC", "BPR", "NPS", "NPR", "SPR", "SCA", "SRE"),
}
"""The 23 operators of HTTPMutator."""


def changed(operator, sent=None, got=None, **args):
    """What the operator makes of one exchange."""
    return mutation_for(wire(operator, **args), SEED).answer(sent or request(), got or answer())


def document(operator, body, **args):
    """What it makes of a JSON body; None where it finds nothing to change."""
    got = changed(operator, got=answer(json.dumps(body).encode()), **args)
    return None if got is None else json.loads(got.body)


def test_all_operators_of_the_literature_are_there_under_their_names():
    assert {name for name, one in OPERATORS.items() if one.source.startswith("HTTPMutator")} == LITERATURE


@pytest.mark.parametrize(
    ("operator", "statuses"),
    [
        ("R2XX", {200, 201, 204}),
        ("R4XX", {400, 401, 403, 404, 409}),
        ("R5XX", {500, 501, 502, 503, 504}),
    ],
)
def test_a_status_becomes_another_one_of_the_list(operator, statuses):
    for status in (200, 201, 204, 304, 404, 500, 503):
        assert changed(operator, got=answer(status=status)).status in statuses - {status}


def test_a_status_can_be_named():
    assert changed("R5XX", to=503).status == 503
    assert changed("R5XX", got=answer(status=503), to=503) is None


def test_one_answer_in_so_many_gets_another_status():
    mutation = mutation_for(wire("sometimes-status", every=5, to=500), SEED)
    got = [mutation.answer(request(), answer()) for _ in range(20)]
    assert [one.status for one in got if one is not None] == [500] * 4


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("CTD", "text/html; charset=utf-8", "charset=utf-8"),
        ("CTD", "text/html", None),
        ("CPD", "text/html; charset=utf-8; x=1", "text/html; x=1"),
        ("CPD", "text/html", "text/html"),
    ],
)
def test_a_content_type_loses_a_part(operator, value, expected):
    got = changed(operator, got=answer(content_type=value))
    assert (got or answer(content_type=value)).header("Content-Type") == expected


def test_a_content_type_gets_another_part():
    media, charset = (
        changed(name, got=answer(content_type="application/json; charset=utf-8")).header("Content-Type")
        for name in ("CTC", "CPC")
    )
    assert media.endswith("; charset=utf-8")
    assert not media.startswith("application/json;")
    assert charset.startswith("application/json; charset=")
    assert charset != "application/json; charset=utf-8"
    assert "charset=" in changed("CPC").header("Content-Type"), "one is put in where there was none"


@pytest.mark.parametrize("location", ["/deals/1?a=b", "https://shop.test/deals/1"])
def test_a_location_leads_elsewhere_or_nowhere(location):
    got = answer(status=303, Location=location)
    assert changed("LHC", got=got).header("Location").startswith(location.partition("?")[0] + "/")
    assert changed("LHD", got=got).header("Location") is None
    assert changed("LHC") is None


def test_arrays_grow_shrink_turn_and_become_empty():
    assert document("AEA", [1], field="$")[0] == 1
    assert 2 <= len(document("AEA", {"a": [1]}, field="a")["a"]) <= 5
    assert 1 <= len(document("AER", [1, 2, 3, 4, 5], field="$")) <= 4
    assert document("AER", [1, 2, 3, 4], field="$") is None, "no more elements than may be removed"
    assert document("AEE", ["a", "b"], field="$") == ["b", "a"]
    assert document("AEE", ["a"], field="$") is None
    assert document("AEE", ["a", "a"], field="$") is None, "nothing changes"
    assert document("EAS", {"items": [1]}, field="items") == {"items": []}
    assert document("EAS", {"items": []}, field="items") is None


def test_objects_grow_and_shrink():
    grown = document("OPA", {"id": 1}, field="$")
    assert grown["id"] == 1
    assert 2 <= len(grown) <= 5
    assert len(document("OPR", {"a": 1, "b": 2}, field="$")) < 2
    assert document("OPR", {"items": [{"id": 1, "n": 2}, {"id": 3}]}, field="items[]", property="id") == {
        "items": [{"n": 2}, {}]
    }
    assert document("OTPR", {"a": {}, "b": {"x": 1}, "c": 1}, field="$") == {"a": {}, "c": 1}
    assert document("OTPR", {"a": 1}, field="$") is None


@pytest.mark.parametrize("value", [True, 3, 2.5, "text", None, {"a": 1}, [1]])
def test_a_value_gets_another_type_or_none(value):
    other = document("PTC", {"v": value}, field="v")["v"]
    assert type(other) is not type(value)
    nulled = document("NPS", {"v": value}, field="v")
    assert nulled == (None if value is None else {"v": None})


def test_values_become_others_of_their_kind():
    assert document("BPR", {"v": [True, False]}, field="v[]") == {"v": [False, True]}
    number = document("NPR", {"v": 10}, field="v")["v"]
    assert isinstance(number, int)
    assert number != 10
    assert isinstance(document("NPR", {"v": 1.5}, field="v")["v"], float)
    assert document("NPR", {"v": True}, field="v") is None, "a boolean is no number"
    assert 1 <= len(document("SPR", {"v": "abc"}, field="v")["v"]) <= 10
    special = document("SCA", {"v": "abc"}, field="v")["v"]
    assert "".join(letter for letter in special if letter.isalpha()) == "abc"
    assert special != "abc"
    assert document("SRE", {"v": ""}, field="v")["v"] != ""


@pytest.mark.parametrize("name", ["BPR", "NPR", "SPR", "SCA", "SRE", "AEA", "AEE", "EAS", "OPA", "OTPR"])
def test_a_place_that_is_not_there_or_holds_something_else_is_left_alone(name):
    assert document(name, {"v": None}, field="v") is None
    assert document(name, {"other": 1}, field="v.w[].x") is None
    assert changed(name, got=answer(b"no json"), field="v") is None
    assert changed(name, got=answer(b'{"v": 1}', content_type="text/plain"), field="v") is None
    assert changed(name, got=answer(b"...", Content_Encoding="br"), field="v") is None


def test_headers_are_dropped_replaced_and_added_whatever_their_case():
    got = answer(etag='"1"', Vary="Origin, Accept")
    assert changed("drop-header", got=got, header="ETag").header("etag") is None
    assert changed("replace-header", got=got, header="ETAG", value="x").headers[1] == ("etag", "x")
    assert changed("replace-header", got=got, header="Age", value="1") is None
    assert changed("add-header", got=got, header="Age", value="1").header("age") == "1"
    assert changed("add-header", got=got, header="etag", value="1") is None
    assert changed("vary-drop", got=got, member="origin").header("Vary") == "Accept"
    assert changed("vary-drop", got=got, member="Cookie") is None


def test_guards_are_weakened():
    policy = "default-src 'none'; script-src 'self'; object-src 'none'"
    got = answer(Content_Security_Policy=policy, Strict_Transport_Security="max-age=31536000; includeSubDomains")
    csp = "Content-Security-Policy"
    assert changed("hsts-short", got=got, max_age=60).header("Strict-Transport-Security") == (
        "max-age=60; includeSubDomains"
    )
    assert changed("csp-allow", got=got).header(csp) == policy.replace("'self'", "'self' 'unsafe-inline'")
    assert changed("csp-allow", got=got, directive="object-src", source="*").header(csp) == (
        policy.replace("object-src 'none'", "object-src *")
    )
    assert changed("csp-drop", got=got, directive="script-src").header(csp) == "default-src 'none'; object-src 'none'"
    assert changed("csp-drop", got=got, directive="base-uri") is None


def test_a_header_comes_once_more():
    got = answer(X_Content_Type_Options="nosniff")
    lines = changed("repeat-header", got=got, header="x-content-type-options", value="none", first=True).headers
    assert [value for name, value in lines if name.lower() == "x-content-type-options"] == ["none", "nosniff"]
    last = changed("repeat-header", got=got, header="X-Content-Type-Options", value="none").headers
    assert [value for name, value in last if name.lower() == "x-content-type-options"] == ["nosniff", "none"]
    assert changed("repeat-header", header="X-Content-Type-Options", value="none") is None


def test_a_policy_is_opened_by_what_stands_beside_its_directives():
    policy = "default-src 'none'; script-src 'self'; object-src 'none'"
    got, csp = answer(Content_Security_Policy=policy), "Content-Security-Policy"
    assert changed("csp-add", got=got, directive="worker-src", source="*").header(csp) == f"{policy}; worker-src *"
    assert changed("csp-add", got=got, directive="script-src", source="*") is None
    assert changed("csp-join", got=got, directive="script-src").header(csp) == (
        "default-src 'none'; script-src 'self' object-src 'none'"
    )
    assert changed("csp-join", got=got, directive="object-src") is None
    assert (
        changed("csp-join", got=answer(Content_Security_Policy="script-src 'self'; "), directive="script-src") is None
    )


def test_every_answer_has_one_nonce():
    csp = "Content-Security-Policy"
    pages = [
        answer(f"<script nonce={nonce}>1</script>".encode(), content_type=PAGE, **{csp: f"script-src 'nonce-{nonce}'"})
        for nonce in ("first1st", "second2d")
    ]
    one, other = (changed("same-nonce", got=page) for page in pages)
    assert one.header(csp) == other.header(csp)
    assert one.body == other.body
    assert one.header(csp).split("nonce-")[1].strip("'").encode() in one.body
    added = changed("same-nonce", got=answer(Content_Security_Policy="script-src 'self'")).header(csp)
    assert added.startswith("script-src 'self' 'nonce-")
    assert changed("same-nonce") is None


def test_cookies_get_an_attribute_that_they_had_not():
    got = answer(Set_Cookie="__Host-sid=1; Path=/; Secure")
    line = changed("cookie-add", got=got, attribute="Domain", value="shop.test").header("Set-Cookie")
    assert line == "__Host-sid=1; Path=/; Secure; Domain=shop.test"
    assert changed("cookie-add", got=got, attribute="path", value="/x") is None
    assert changed("cookie-add", got=got, attribute="Domain", value="x", cookie="other") is None


def test_addresses_lead_below_a_base_that_is_not_there():
    page = answer(b'<a href="/x"><img src=/y><a href="//z/"><a href="w">', content_type=PAGE, Location="/login")
    led = changed("wrong-base", got=page)
    assert led.body == b'<a href="/app/x"><img src=/app/y><a href="//z/"><a href="w">'
    assert led.header("Location") == "/app/login"
    assert changed("wrong-base", got=answer(b'{"href": "/x"}')) is None


def test_everybody_gets_one_answer():
    login = changed("answer-all")
    assert (login.status, login.header("WWW-Authenticate")) == (401, 'Basic realm="all"')
    led = changed("answer-all", status=302)
    assert (led.status, led.header("Location"), led.body) == (302, "/login", b"")
    assert changed("answer-all", request("/login"), status=302) is None
    assert changed("answer-all", status=200).body == changed("answer-all", request("/y"), status=200).body


def test_a_value_is_what_no_writer_of_json_writes():
    def written(value):
        return changed("odd-value", got=answer(b'{"a": {"b": 1}, "c": 1}'), field="a.b", value=value).body

    assert written("nan") == b'{"a":{"b":NaN},"c":1}'
    assert written("surrogate") == rb'{"a":{"b":"\ud83d"},"c":1}'
    assert written("digits") == b'{"a":{"b":' + b"7" * 5_000 + b'},"c":1}'
    assert changed("odd-value", got=answer(b'{"a": 1}'), field="b", value="nan") is None


def test_the_form_of_an_answer_is_another():
    assert changed("never-end", got=answer(b"{}")).ends is False
    assert changed("never-end", request(method="HEAD"), answer(b"{}")) is None
    assert changed("interim", status=102).interim == 102
    assert changed("old-protocol").version == "1.0"
    assert changed("surplus").behind.startswith(b"HTTP/1.1 200 OK")
    assert changed("surplus", request(method="HEAD"), text="ok", method="HEAD").behind == b"ok"
    assert changed("surplus", text="ok", method="HEAD") is None


def test_a_trace_leaks_in_the_form_of_the_body():
    as_json = changed("leak-trace", got=answer(b'{"detail": "no"}', status=500))
    assert "Traceback" in json.loads(as_json.body)["trace"]
    assert b"Traceback" in changed("leak-trace", got=answer(b"<p>no</p>", content_type=PAGE)).body
    assert changed("leak-trace", got=answer(b"\x89PNG", content_type="image/png")) is None


def test_what_a_client_sends_comes_back():
    page = answer(b"<body>deals</body>", content_type=PAGE)
    sent = request("/?q=%3Cscript%3Ex%3C/script%3E")
    assert changed("reflect-query", sent, page).body == b"<body>deals<p><script>x</script></p></body>"
    assert changed("reflect-query", request("/"), page) is None
    assert b"//shop.test/" in changed("reflect-host", request("/"), page).body
    split = changed("split-response", request("/?q=%0d%0aX-Injected:%20yes"), page)
    assert split.header("X-Injected") == "yes"
    assert changed("split-response", sent, page) is None


def test_origins_are_let_in():
    stranger = request(Origin="https://stranger.example")
    got = changed("cors-reflect", stranger)
    assert got.header("Access-Control-Allow-Origin") == "https://stranger.example"
    assert got.header("Access-Control-Allow-Credentials") == "true"
    assert changed("cors-reflect", request()) is None
    assert changed("cors-reflect", stranger, origins=["null"]) is None
    asked = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "authorization"}
    preflight = changed("cors-reflect", request(method="OPTIONS", Origin="null", **asked), answer(b"{}", status=403))
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.header("Access-Control-Allow-Methods") == "PUT"
    assert preflight.header("Access-Control-Allow-Headers") == "authorization"
    assert changed("cors-wildcard").header("Access-Control-Allow-Origin") == "*"
    assert changed("cors-forget", got=answer(Access_Control_Allow_Origin="*")).header("Vary") is None


def test_cookies_lose_their_guards_each_for_itself():
    login, other = "sid=1; Path=/; HttpOnly; SameSite=Lax", "theme=dark; HttpOnly"
    got = replace(answer(), headers=(("Set-Cookie", login), ("Set-Cookie", other)))
    stripped = changed("cookie-strip", got=got, attribute="httponly", cookie="sid")
    assert [value for _, value in stripped.headers] == ["sid=1; Path=/; SameSite=Lax", other]
    replaced = changed("cookie-replace", got=got, attribute="SameSite", value="None")
    assert replaced.headers[0][1] == "sid=1; Path=/; HttpOnly; SameSite=None"
    assert changed("cookie-strip", got=got, attribute="Secure") is None


def test_a_frozen_header_keeps_its_first_value_at_each_url():
    mutation = mutation_for(wire("freeze-header", header="ETag"), SEED)
    assert mutation.answer(request("/a"), answer(ETag='"1"')) is None
    assert mutation.answer(request("/b"), answer(ETag='"2"')) is None
    assert mutation.answer(request("/a"), answer(ETag='"3"')).header("ETag") == '"1"'


def test_conditions_are_ignored_or_always_met():
    sent = request(If_None_Match='"1"')
    assert mutation_for(wire("ignore-conditional"), SEED).request(sent).header("If-None-Match") is None
    assert mutation_for(wire("ignore-conditional"), SEED).request(request()) is None
    got = changed("always-unchanged", sent, answer(b"{}", ETag='"2"'))
    assert (got.status, got.body, got.header("ETag")) == (304, b"", '"1"')


def test_a_stale_answer_comes_again_to_whoever_asks_the_same():
    mutation = mutation_for(wire("stale"), SEED)
    assert mutation.answer(request("/a"), answer(b"1")) is None
    assert mutation.answer(request("/a"), answer(b"2")).body == b"1"
    assert mutation.answer(request("/a?x"), answer(b"3")) is None, "another query"
    assert mutation.answer(request("/a", Cookie="sid=x"), answer(b"4")) is None, "another login"
    for body in (b"5", b"6"):
        assert mutation.answer(request("/a", Authorization="Bearer x"), answer(body)) is None, "is not kept"
    assert mutation.answer(request("/a", method="POST"), answer(b"5")) is None
    assert mutation.answer(request("/a"), answer(b"1")) is None, "nothing changes"


def test_a_stale_answer_may_ignore_the_query():
    mutation = mutation_for(wire("stale", query=False), SEED)
    assert mutation.answer(request("/a?limit=1"), answer(b"1")) is None
    assert mutation.answer(request("/a?limit=2"), answer(b"2")).body == b"1"


def test_another_users_answer_is_given_to_all_but_that_user():
    mutation = mutation_for(wire("anothers-answer"), SEED)
    mine, nobody = request("/me", Authorization="Bearer a"), request("/me")
    assert mutation.answer(nobody, answer(status=401)) is None, "a refusal is not kept"
    assert mutation.answer(mine, answer(b"mine")) is None
    assert mutation.answer(nobody, answer(status=401)).body == b"mine"
    assert mutation.answer(mine, answer(b"newer")) is None


def test_bodies_end_early():
    got = answer(b"12345678")
    assert changed("cut-body", got=got).cut_after == 4
    assert changed("truncate-body", got=got, share=0.25).body == b"12"
    assert changed("empty-body", got=got).body == b""
    assert changed("cut-body", request(method="HEAD"), got) is None


def test_pages_get_what_a_browser_notices():
    strict = {"Content_Security_Policy": "script-src 'self' 'nonce-abc'"}
    page = answer(b'<script type="x" src="/a.js"></script><body>x</BODY>', content_type=PAGE, **strict)
    assert b'<script nonce="abc">console.error' in changed("console-error", got=page).body
    assert b"<script>void 0</script></BODY>" in changed("blocked-script", got=page).body
    assert changed("blocked-script", got=answer(b"<p>", content_type=PAGE)) is None, "no policy, nothing blocked"
    assert b'<script integrity="sha256-AAA' in changed("wrong-integrity", got=page).body
    assert b'<img src="/no-such-image.png" alt=""></BODY>' in changed("failed-request", got=page).body
    assert b"<hr></BODY>" in changed("insert-markup", got=page, markup="<hr>").body
    assert changed("replace-text", got=page, find="<body>.", put="<main>").body.endswith(b"<main></BODY>")
    script = answer(b'"use strict";', content_type="text/javascript")
    assert changed("console-error", got=script).body.startswith(b'"use strict";\n;console.error')
    assert changed("insert-markup", got=answer(b"{}"), markup="<hr>") is None


def test_a_limiter_lets_through_or_never_forgives():
    through = mutation_for(wire("let-through"), SEED)
    assert through.answer(request(), answer(status=429)) is None, "nothing was answered before"
    through.answer(request(), answer(b"fine"))
    assert through.answer(request(), answer(status=429)).body == b"fine"
    for_ever = mutation_for(wire("refuse-for-ever"), SEED)
    assert for_ever.answer(request(client="a"), answer(status=429, Retry_After="1")) is None
    assert for_ever.answer(request(client="a"), answer()).status == 429
    assert for_ever.answer(request(client="b"), answer()) is None


def test_who_lies_about_an_address_is_let_through_alone():
    mutation = mutation_for(wire("let-through", trusted="127.0.0.1"), SEED)
    mutation.answer(request(), answer(b"fine"))
    refused = answer(status=429)
    assert mutation.answer(request(X_Forwarded_For="10.0.0.1"), refused) is None, "from the trusted proxy"
    assert mutation.answer(request(client="127.0.0.9"), refused) is None, "no lie"
    assert mutation.answer(request(client="127.0.0.9", X_Forwarded_For="10.0.0.1"), refused).body == b"fine"


def test_each_request_seems_to_come_from_another_client():
    mutation = mutation_for(wire("fresh-address"), SEED)
    sent = {mutation.request(request(X_Forwarded_For="10.1.1.1")).header("X-Forwarded-For") for _ in range(50)}
    assert len(sent) > 45


def test_answers_come_late_all_or_some_or_in_a_stall():
    assert mutation_for(wire("late", ms=300), SEED).delay_s(0.0) == 0.3
    some = mutation_for(wire("late", ms=300, every=10), SEED)
    assert sum(some.delay_s(0.0) > 0 for _ in range(100)) == 10
    stall = mutation_for(wire("stall"), SEED)
    assert stall.delay_s(10.1) == pytest.approx(0.4)
    assert stall.delay_s(10.6) == 0.0


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        (wire("LHDD"), "operator: unknown operator 'LHDD'; did you mean 'LHD'?"),
        (wire("drop-header", heder="x"), "args.heder: unknown key; did you mean 'header'?"),
        (wire("drop-header"), "args.header: is missing"),
        (wire("drop-header", header="x y"), "args.header: 'x y' is no header's name"),
        (wire("NPS", field="$"), "args.field: this operator does not apply to the whole document"),
        (wire("SPR", field="a["), "args.field: 'a[' is no place in a JSON document"),
        (wire("late", ms=0), "args.ms: milliseconds from above 0"),
        (wire("stall", pause_ms=10, every_ms=5), "args.pause_ms: must be shorter"),
        (wire("R5XX", to="x"), "args.to: a whole number was expected"),
        (wire("cookie-strip", attribute="HttpOny"), "args.attribute: unknown 'HttpOny'; did you mean 'HttpOnly'?"),
        (wire("replace-text", find="("), "args.find: '(' is no regular expression"),
        (wire("late", ms=5, where=Where(status="50x0")), "where.status: a status such as `404`"),
        (wire("late", ms=5, where=Where(operation="GTE /x")), "where.operation: `GET /path`"),
        (wire("late", ms=5, where=Where(content_type="json")), "where.content_type: a media type"),
        (wire("fresh-address", where=Where(status="404")), "where: fresh-address changes requests"),
    ],
    ids=lambda value: value.operator if hasattr(value, "operator") else "",
)
def test_what_is_wrong_is_named(defect, message):
    with pytest.raises(ConfigError) as caught:
        validate(defect)
    assert str(caught.value).startswith(f"defects/wire/some-defect/defect.toml: {message}")


def test_the_line_is_named_where_there_is_a_file(tmp_path):
    (tmp_path / "defect.toml").write_text('operator = "late"\n\n[args]\nms = 0\n')
    with pytest.raises(ConfigError, match=r"defect\.toml:4: args\.ms: "):
        validate(replace(wire("late", ms=0), folder=tmp_path))


@pytest.mark.parametrize(
    ("defect", "facet"),
    [
        (wire("R5XX"), "status *"),
        (wire("R5XX", where=Where(status="4xx")), "status 4xx"),
        (wire("drop-header", header="ETag"), "header etag"),
        (wire("SPR", field="items[].title"), "body field items[].title"),
        (wire("OPR", field="items[]", property="title"), "body field items[].title"),
        (wire("late", ms=5), "latency"),
        (wire("stale"), "cache"),
    ],
    ids=lambda value: value.operator if hasattr(value, "operator") else "",
)
def test_what_is_changed_has_a_name(defect, facet):
    assert facet_of(defect) == facet


def test_every_operator_says_what_it_does():
    assert [name for name, one in OPERATORS.items() if not one.does.endswith(".")] == []


def test_every_operator_and_its_arguments_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "wire-mutants.md").read_text()
    for name, operator in OPERATORS.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert operator.does in row
        assert operator.source in row or name in LITERATURE
        for argument in operator.args.__dataclass_fields__:
            assert f"`{argument}" in row, f"{name} takes {argument}"
