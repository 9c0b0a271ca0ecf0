"""Pages behind a login, and rules of accessibility, in real sessions against a small service with a form."""

from __future__ import annotations

import json

import pytest

from tests.suite_session import Bench

SERVICE = """
import http.server, os, urllib.parse

PAGE = "<!doctype html><html lang=en><head><title>Small</title></head><body><main>{}</main></body></html>"
FORM = PAGE.format(
    "<h1>Log in</h1><form method=post><label>Name <input id=name name=name></label>"
    "<label>Word <input id=word name=word type=password></label><button>Go</button></form>")
ORDERS = PAGE.format("<h1>Orders</h1><button id=nameless></button>")

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body="", **headers):
        self.send_response(status)
        content = body.encode()
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        if self.path == "/orders" and "login=yes" not in self.headers.get("Cookie", ""):
            self.answer(303, Location="/login")
        else:
            self.answer(200, {"/login": FORM, "/orders": ORDERS}.get(self.path, PAGE.format("<h1>Hello</h1>")))

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(urllib.parse.parse_qsl(sent))
        if fields.get("name") == "ann" and fields.get("word") == os.environ["WORD"]:
            self.answer(303, Location="/", Set_Cookie="login=yes; HttpOnly; SameSite=Lax")
        else:
            self.answer(200, FORM)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
PROFILE = """
[auth.roles.clerk]
username = "ann"
password = "{secret.WORD}"

[pages]
paths = ["/", "/orders"]
roles = { "/orders" = "clerk" }

[pages.login]
path = "/login"
username = "#name"
password = "#word"
"""
SUITE = """
import pytest
from playwright.sync_api import expect

@pytest.mark.check("probe.page", subject="{page_path}")
@pytest.mark.parametrize("page_path", ["/", "/orders"])
def test_page(page, page_path):
    page.goto(page_path)
    expect(page.get_by_role("heading")).to_have_text({"/": "Hello", "/orders": "Orders"}[page_path])
    assert bool(page.context.cookies()) is (page_path == "/orders")

@pytest.mark.check("probe.second")
def test_second(new_page):
    page, stranger = new_page(role="clerk"), new_page()
    page.goto("/orders")
    stranger.goto("/orders")
    assert [one.url.rsplit("/", 1)[1] for one in (page, stranger)] == ["orders", "login"]

@pytest.mark.check("probe.accessible", subject="{page_path}")
@pytest.mark.parametrize("page_path", ["/", "/orders"])
def test_accessible(page, page_path, axe):
    page.goto(page_path)
    assert [found for found in axe(page) if found.impact in ("serious", "critical")] == []
"""


@pytest.fixture
def bench(tmp_path) -> Bench:
    """The small service with its form, and a suite of its pages."""
    made = Bench(tmp_path)
    made.describe(service=SERVICE)
    described = made.profile.read_text().replace("[service.env]", '[service.env]\nWORD = "{secret.WORD}"')
    made.profile.write_text(described + PROFILE)
    made.suite(SUITE)
    return made


def test_a_page_behind_a_login_is_shown_to_who_has_one(bench):
    ended = bench.run()
    assert {line["subject"]: line["outcome"] for line in ended.of("probe.page")} == {"/": "pass", "/orders": "pass"}
    assert ended.the("probe.second")["outcome"] == "pass"
    found = {line["subject"]: line for line in ended.of("probe.accessible")}
    assert found["/"]["outcome"] == "pass"
    assert found["/orders"]["outcome"] == "fail"
    assert "button-name" in str(found["/orders"]["detail"])


def test_all_that_axe_found_is_in_the_run_whatever_the_test_makes_of_it(bench):
    many = "".join(f"<a id=link{at} href=/></a>" for at in range(12))
    bench.describe(
        service=SERVICE.replace("<button id=nameless></button>", many).replace("<h1>Hello</h1>", "<h4>Hello</h4>")
    )
    described = bench.profile.read_text().replace("[service.env]", '[service.env]\nWORD = "{secret.WORD}"')
    bench.profile.write_text(described + PROFILE)
    ended = bench.run("-k", "test_accessible")
    found = {line["subject"]: line for line in ended.of("probe.accessible")}
    assert {subject: line["outcome"] for subject, line in found.items()} == {"/": "pass", "/orders": "fail"}
    assert any(text.startswith("page-has-heading-one (moderate)") for text in found["/"]["detail"]["listed"])
    listed = [text for text in found["/orders"]["detail"]["listed"] if text.startswith("link-name (serious): ")]
    assert [text.rpartition(": ")[2] for text in listed] == [f"#link{at}" for at in range(12)]
    (name,) = [name for name in found["/orders"]["artifacts"] if name.endswith(".json")]
    rules = {one["rule"]: one for one in json.loads((ended.run / name).read_text())}
    assert [element["place"] for element in rules["link-name"]["elements"]] == [f"#link{at}" for at in range(12)]


def test_what_fails_on_a_page_is_repeated_by_a_request_for_it(bench):
    line = next(line for line in bench.run("-k", "test_accessible").of("probe.accessible") if line["outcome"] == "fail")
    assert line["detail"]["observed"]["request"].endswith("/orders")
    assert line["detail"]["curl"][-1].endswith("/orders")


def test_a_login_that_is_refused_fails_and_says_where_the_browser_stands(bench):
    wrong = bench.profile.read_text().replace('username = "ann"', 'username = "bob"')
    bench.profile.write_text(wrong.replace("timeout_s = 3", "timeout_s = 1"))
    ended = bench.run("-k", "test_second")
    assert "login by form: the browser is still at /login" in str(ended.the("probe.second")["detail"])


@pytest.mark.parametrize(("ci", "outcome"), [("", "skip"), ("true", "error")])
def test_without_axe_nothing_is_said_to_be_accessible(bench, ci, outcome):
    bench.environment |= {"CI": ci}
    bench.suite("import harness.probes.axe\nharness.probes.axe.find_axe = lambda named: None", "conftest.py")
    lines = bench.run("-k", "test_accessible").of("probe.accessible")
    assert {line["outcome"] for line in lines} == {outcome}
    assert all("no axe-core on this machine" in str(line["detail"]) for line in lines)
