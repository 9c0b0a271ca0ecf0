"""Profiles: what a good one becomes, and the one line that each mistake gets."""

import re
from pathlib import Path

import pytest

from harness.config import generic_target, load_target, target_document, target_from_document
from harness.errors import BrokenRunError, ConfigError, UsageError
from harness.machine.bundle import root
from harness.model import Cache, PageLogin, PreflightRules, RateLimit, Role, SchemaManifest, Table, Workers

FLASK = """\
schema = 1
name = "notes"
absent = { auth = "no accounts", cache = "caches nothing", database = "keeps notes in memory", mail = "sends none" }
[service]
command = ["python", "-m", "flask", "--app", "notes", "run", "--port", "{port}"]
[health]
live = "/"
[pages]
paths = ["/"]
"""

WHOLE = """\
schema = 1
name = "shop"

[service]
command = ["serve", "--port", "{port}"]
needs = ["postgres", "valkey"]
prepare = [["migrate"], ["seed", "{secret.ADMIN}"]]
timeout_s = 5

[service.env]
DATABASE_URL = "{database_url}"

[clients]
address = "x-forwarded-for"

[allow]
hosts = ["staging.example.org"]

[ratelimit]
limit = 300
window_s = 60

[cache]
paths = ["/api/items"]
off = { CACHE = "false" }
roles = { "/api/items" = "admin" }

[auth]
login = "/login"
body = { user = "{username}", password = "{password}" }

[auth.roles.admin]
username = "admin"
password = "{env.ADMIN_PASSWORD}"

[load]
rate = 20
paths = { "/api/items" = 3 }

[preflight]
weights = { "preflight.database" = 2 }
"""


@pytest.fixture
def write(tmp_path):
    """`write(text)`: the path of a profile."""

    def write(text: str) -> str:
        path = tmp_path / "profile.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def message_of(given: str, folder: Path = Path("nowhere")) -> str:
    """The one line of the error."""
    with pytest.raises(ConfigError) as caught:
        load_target(given, folder)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    return caught.value.message.replace(given, "FILE", 1)


def test_ten_lines_describe_a_flask_service(write):
    target = load_target(write(FLASK), Path("nowhere"))
    assert target.name == "notes"
    assert target.service.command[-1] == "{port}"
    assert target.absent["mail"] == "sends none"
    assert (target.ratelimit, target.clients.address, target.openapi.path) == (None, "none", "")


def test_every_table_finds_its_place(write, tmp_path):
    target = load_target(write(WHOLE), Path("nowhere"))
    assert target.source == str(tmp_path / "profile.toml")
    assert target.service.cwd == str(tmp_path)
    assert target.service.prepare == (("migrate",), ("seed", "{secret.ADMIN}"))
    assert target.service.timeout_s == 5.0
    assert target.clients.address == "x-forwarded-for"
    assert target.allow.hosts == ("staging.example.org",)
    assert target.ratelimit == RateLimit(limit=300, window_s=60.0)
    assert target.cache == Cache(paths=("/api/items",), off={"CACHE": "false"}, roles={"/api/items": "admin"})
    assert target.auth.roles == {"admin": Role(username="admin", password="{env.ADMIN_PASSWORD}")}
    assert target.load.paths == {"/api/items": 3.0}
    assert target.preflight.weights == {"preflight.database": 2.0}


def test_the_reference_profile_is_found_by_name():
    target = load_target("dealradar", root())
    assert target.service.needs == ("postgres", "valkey", "smtp")
    assert len(target.service.required_env) == 6
    assert target.ratelimit is not None
    assert target.ratelimit.limit == 300


def test_the_document_of_a_run_gives_the_target_back(write):
    target = load_target(write(WHOLE), Path("nowhere"))
    assert target_from_document(target_document(target)) == target


KEPT_BY_0_1 = {
    "name": "shop",
    "source": "profiles/shop.toml",
    "service": {"command": ["serve"], "cwd": "/shop", "env": {"URL": "{url}"}, "timeout_s": 5.0},
    "build_path": "/build",
    "client_address": "source",
    "absent": {"mail": "sends none"},
    "allow_hosts": ["staging.example.org"],
    "cache": {"paths": ["/items"], "header": "X-Cache"},
    "ratelimit": None,
    "pages": ["/", "/orders"],
    "page_roles": {"/orders": "admin"},
    "page_login": {"path": "/login", "username": "#u", "password": "#p", "submit": ""},
    "openapi": "/openapi.json",
    "cors_origins": ["https://app.example.org"],
    "cors_paths": [],
    "tables": ["items"],
    "manifest": {"tables": {"items": {"columns": ["id"], "indexes": {}}}},
    "migrations": {"folder": "sql", "table": "done", "column": "name"},
    "templates": {"engine": None, "path": ""},
    "starttls": True,
    "imports": ["shop"],
    "known_warnings": ["slow"],
    "writable": ["uploads"],
    "preflight_weights": {"clock": 0.5},
    "suite_paths": ["/shop/checks"],
    "escalation_accepted": ["late"],
}
"""A `profile.json` of the release that kept most tables flat."""


def test_a_document_that_the_last_release_wrote_is_read():
    target = target_from_document(KEPT_BY_0_1)
    assert (target.build.path, target.clients.address, target.openapi.path) == ("/build", "source", "/openapi.json")
    assert (target.allow.hosts, target.cors.origins) == (("staging.example.org",), ("https://app.example.org",))
    assert (target.pages.open, target.pages.roles) == (("/",), {"/orders": "admin"})
    assert target.pages.login == PageLogin(path="/login", username="#u", password="#p")
    assert target.manifest == SchemaManifest(tables={"items": Table(columns=("id",))})
    assert target.preflight == PreflightRules(
        weights={"clock": 0.5},
        tables=("items",),
        migrations="sql",
        migration_table="done",
        migration_column="name",
        starttls=True,
        imports=("shop",),
        known_warnings=("slow",),
        writable=("uploads",),
    )
    assert (target.suites.paths, target.escalation.accepted) == (("/shop/checks",), ("late",))
    assert target_from_document(target_document(target)) == target


@pytest.mark.parametrize("change", [{"name": 5}, {"service": None}, {"ratelimit": {"limit": "many"}}])
def test_a_document_that_is_no_profile_is_a_broken_run(write, change):
    document = target_document(load_target(write(WHOLE), Path("nowhere"))) | change
    with pytest.raises(BrokenRunError, match=r"profile\.json"):
        target_from_document(document)


MISTAKES = [
    ('name = "shop"', "", "FILE: name: is missing (text in quotes was expected)"),
    ("schema = 1", "", "FILE: schema: is missing; `schema = 1` was expected"),
    ("schema = 1", "schema = 2", "FILE:1: schema: is 2; `schema = 1` was expected"),
    ("schema = 1", "schema = true", "FILE:1: schema: is True;"),
    ('name = "shop"', 'name = "the shop"', "FILE:2: name: 'the shop' is no name"),
    ("needs = [", "nedds = [", "FILE:6: service.nedds: unknown key; did you mean 'needs'?"),
    ("[ratelimit]", "[ratelimt]", "FILE:19: ratelimt: unknown key; did you mean 'ratelimit'?"),
    ("[auth.roles.admin]", "[auth.rols.admin]", "FILE:32: auth.rols: unknown key; did you mean 'roles'?"),
    ("limit = 300", "limit = 0", "FILE:20: ratelimit.limit: a number above 0 and at most 1,000,000,000 was"),
    ("limit = 300", 'limit = "300"', "FILE:20: ratelimit.limit: a whole number was expected, not the text '300'"),
    ("limit = 300", "limit = 1.5", "FILE:20: ratelimit.limit: a whole number was expected, not the number 1.5"),
    ("limit = 300\n", "", "FILE:19: ratelimit.limit: is missing (a whole number was expected)"),
    ("window_s = 60", "window_s = -1", "FILE:21: ratelimit.window_s: a number above 0 and at most 604,800 was"),
    ("rate = 20", "rate = nan", "FILE:37: load.rate: a finite number was expected, not nan"),
    ("rate = 20", "rate = true", "FILE:37: load.rate: a number was expected, not true"),
    ("rate = 20", "rate = ", "FILE:37: is not TOML"),
    ("rate = 20", "rate = 1\nrate = 2", "FILE:38: is not TOML: duplicate key"),
    ('"/api/items" = 3', '"/api/items" = 0', "FILE:38: load.paths./api/items: a number above 0 and at most"),
    ("window_s = 60", "window_s = 1e9", "FILE:21: ratelimit.window_s: a number above 0 and at most 604,800 was"),
    ("{database_url}", "{databse_url}", "FILE:11: service.env.DATABASE_URL: unknown placeholder {databse_url}; did"),
    ("{secret.ADMIN}", "{secrets.ADMIN}", "FILE:7: service.prepare[2][2]: unknown placeholder {secrets.ADMIN}; did"),
    ("{secret.ADMIN}", "{env.ADMIN}", "FILE:7: service.prepare[2][2]: unknown placeholder {env.ADMIN}"),
    ("{username}", "{usrname}", "FILE:30: auth.body.user: unknown placeholder {usrname}; did you mean 'username'?"),
    ('"postgres", "valkey"', '"valkey"', "FILE:11: service.env.DATABASE_URL: {database_url} is filled in only where"),
    ('"valkey"]', '"valky"]', "FILE:6: service.needs[2]: unknown word 'valky'; did you mean 'valkey'?"),
    ("[clients]", '[absent]\nmial = "no"\n[clients]', "FILE:14: absent.mial: unknown key; did you mean 'mail'?"),
    ("[clients]", '[absent]\nmail = ""\n[clients]', "FILE:14: absent.mail: a reason was expected"),
    ("[clients]", '[absent]\ncache = "no"\n[clients]', "FILE:14: absent.cache: the profile says that it has none"),
    ("[clients]", '[absent]\ndatabase = "no"\n[clients]', "FILE:14: absent.database: the profile says that it has"),
    ('paths = ["/api/items"]', 'paths = ["api/items"]', "FILE:24: cache.paths[1]: a path that begins with '/'"),
    ('paths = ["/api/items"]', 'paths = ["/api/item"]', "FILE:26: cache.roles./api/items: is no path of [cache] paths"),
    (
        '"/api/items" = "admin"',
        '"/api/items" = "root"',
        "FILE:26: cache.roles./api/items: unknown role 'root'; known: ",
    ),
    ('login = "/login"', "", "FILE:32: auth.roles: roles need a path to log in at"),
    ('"x-forwarded-for"', '"forwarded"', "FILE:14: clients.address: 'forwarded' is not one of its words; did you"),
    ("staging.example.org", "https://staging.example.org", "FILE:17: allow.hosts[1]: a host such as"),
    ("staging.example.org", "*", "FILE:17: allow.hosts[1]: a host such as"),
    ("staging.example.org", "*.example.org", "FILE:17: allow.hosts[1]: a host such as"),
    ('hosts = ["staging.example.org"]', 'read_hosts = ["*"]', "FILE:17: allow.read_hosts[1]: a host such as"),
    ('command = ["serve"', 'url = "http://x"\ncommand = ["serve"', "FILE:4: service: exactly one of command, image"),
    (
        'command = ["serve", "--port", "{port}"]',
        "",
        "FILE:4: service: exactly one of command, image and url was expect",
    ),
    ('command = ["serve", "--port", "{port}"]', "command = []", "FILE:5: service.command: is empty"),
    ('command = ["serve", "--port", "{port}"]', 'command = "serve"', "FILE:5: service.command: a list (text in quotes"),
    ('command = ["serve", "--port", "{port}"]', 'url = "shop:80"', "FILE:5: service.url: http://HOST:PORT or https://"),
    ('["migrate"]', "[]", "FILE:7: service.prepare[1]: an empty command"),
    ("timeout_s = 5", "prepare_cached = [[]]", "FILE:8: service.prepare_cached[1]: an empty command"),
    (
        "timeout_s = 5",
        'prepare_cached = [["{uri}"]]',
        "FILE:8: service.prepare_cached[1][1]: unknown placeholder {uri}",
    ),
    (
        'timeout_s = 5\n\n[service.env]\nDATABASE_URL = "{database_url}"',
        'prepare_cached = [["migrate"]]\n',
        "FILE:8: service.prepare_cached: its result is kept with the stack's database, and none of its words and sett",
    ),
    ("timeout_s = 5", 'cwd = "nowhere"', "FILE:8: service.cwd: no such folder"),
    ("timeout_s = 5", "container_port = 70000", "FILE:8: service.container_port: a port from 1 to 65535"),
    ("DATABASE_URL =", '"MY URL" =', "FILE:11: service.env.MY URL: 'MY URL' cannot be the name"),
    ("DATABASE_URL = ", "PORT = 8000\nX = ", "FILE:11: service.env.PORT: text in quotes was expected, not the number"),
    ("[preflight]", '[preflight]\nexpected_log = [""]', "FILE:41: preflight.expected_log[1]: a text was expected"),
    ("[preflight]", '[preflight]\nknown_warnings = [" "]', "FILE:41: preflight.known_warnings[1]: a text was expected"),
    (
        "[preflight]",
        '[templates]\npath = "x"\n[preflight]',
        "FILE:40: templates.engine: the engine of the templates was",
    ),
    (
        "[preflight]",
        '[templates]\nengine = "jinja"\n[preflight]',
        "FILE:41: templates.engine: 'jinja' is not one of its",
    ),
    (
        "[preflight]",
        '[templates]\nengine = "jinja2"\n[preflight]',
        "FILE:40: templates.path: the folder of the templates",
    ),
    (
        "[preflight]",
        '[templates]\nengine = "jinja2"\npath = "x"\nenvironments = { "" = "a.b" }\n[preflight]',
        "FILE:43: templates.environments.: module:attribute was expected, not 'a.b'",
    ),
    (
        "[preflight]",
        '[templates]\nengine = "jinja2"\npath = "x"\nhelpers = "h.js"\n[preflight]',
        "FILE:43: templates.helpers: only handlebars has them",
    ),
    ("[preflight]", '[preflight]\nmigration_table = "done"', "FILE:41: preflight.migration_table: needs [preflight]"),
    (
        '"preflight.database" = 2',
        '"preflight.database" = -2',
        "FILE:41: preflight.weights.preflight.database: a number",
    ),
]


WORKERS = """
[workers]
command = ["mail", "{smtp_url}"]
"""
WORKER_MISTAKES = [
    ('["mail", "{smtp_url}"]', "[]", "FILE:44: workers.command: the worker's program was expected, a list of words"),
    ('["mail", "{smtp_url}"]', '["mail"]\ncount = -1', "FILE:45: workers.count: a number from 0 to 64 was expected"),
    ('["mail", "{smtp_url}"]', '["mail"]\ncount = 65', "FILE:45: workers.count: a number from 0 to 64 was expected"),
    ('["mail", "{smtp_url}"]', '["mail"]\nredy = "x"', "FILE:45: workers.redy: unknown key; did you mean 'ready'?"),
    ("{smtp_url}", "{smpt_url}", "FILE:44: workers.command[2]: unknown placeholder {smpt_url}; did you mean"),
    ("{smtp_url}", "{smtp_url}", "FILE:44: workers.command[2]: {smtp_url} is filled in only where [service] needs has"),
    ("[workers]", '[absent]\nworkers = "no"\n[workers]', "FILE:44: absent.workers: the profile says that it has none"),
]


@pytest.mark.parametrize(("old", "new", "said"), WORKER_MISTAKES)
def test_a_mistake_about_workers_is_told_too(write, old, new, said):
    assert message_of(write(WHOLE + WORKERS.replace(old, new))).startswith(said)


def test_workers_are_one_unless_the_profile_says_more(write):
    target = load_target(write(WHOLE + '[workers]\ncommand = ["mail"]'), Path("nowhere"))
    assert target.workers == Workers(command=("mail",), count=1, ready="")
    assert load_target(write(WHOLE), Path("nowhere")).workers.command == ()
    running = WHOLE.replace('command = ["serve", "--port", "{port}"]', 'url = "http://127.0.0.1:1"')
    assert "none can be started" in message_of(write(running + '[workers]\ncommand = ["mail"]'))


PAGES = """
[pages]
paths = ["/", "/orders"]
roles = { "/orders" = "admin" }
[pages.login]
path = "/login"
username = "#user"
password = "#password"
"""
PAGE_MISTAKES = [
    ('{ "/orders"', '{ "/order"', "FILE:45: pages.roles./order: is no path of [pages] paths; did you mean '/orders'?"),
    ('= "admin"', '= "admn"', "FILE:45: pages.roles./orders: unknown role 'admn'; did you mean 'admin'?"),
    ('path = "/login"', 'path = "login"', "FILE:47: pages.login.path: a path that begins with '/' was expected"),
    ("[pages.login]", "[clents]", "FILE:46: clents: unknown key"),
    (PAGES[PAGES.index("[pages.login]") :], "", "FILE:45: pages.roles: pages behind a login need its form"),
]


@pytest.mark.parametrize(("old", "new", "said"), PAGE_MISTAKES)
def test_a_mistake_about_pages_is_told_too(write, old, new, said):
    assert message_of(write(WHOLE + PAGES.replace(old, new))).startswith(said)


def test_a_page_with_a_role_is_not_open(write):
    target = load_target(write(WHOLE + PAGES), Path("nowhere"))
    assert target.pages.paths == ("/", "/orders")
    assert target.pages.open == ("/",)
    assert target.pages.roles == {"/orders": "admin"}
    assert target.pages.login == PageLogin(path="/login", username="#user", password="#password", submit="")


def test_a_form_alone_is_a_login_for_roles(write):
    form_only = WHOLE.replace('login = "/login"', "").replace('roles = { "/api/items" = "admin" }', "") + PAGES
    assert load_target(write(form_only), Path("nowhere")).auth.login == ""


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES, ids=[f"{new[:28]!r}" for _, new, _ in MISTAKES])
def test_a_mistake_gets_one_line_with_file_line_key_and_what_was_expected(write, old, new, said):
    assert WHOLE.count(old) >= 1
    assert message_of(write(WHOLE.replace(old, new, 1))).startswith(said)


class TestFiles:
    def test_an_unknown_name_names_the_nearest_profile(self):
        with pytest.raises(ConfigError, match=r"no profile 'dealrader'; did you mean 'dealradar'\?"):
            load_target("dealrader", root())

    def test_a_missing_path_names_the_profiles_that_exist(self, tmp_path):
        with pytest.raises(ConfigError, match=r"no such profile; known: .*dealradar"):
            load_target(str(tmp_path / "xyz.toml"), root())

    def test_a_folder_is_no_profile(self, tmp_path):
        with pytest.raises(ConfigError, match="is a folder"):
            load_target(f"{tmp_path}/", root())

    def test_text_that_is_not_utf8_is_told_so(self, tmp_path):
        path = tmp_path / "latin.toml"
        path.write_bytes(b'name = "caf\xe9"')
        assert message_of(str(path)) == "FILE: is not UTF-8 text (byte 11)"

    def test_a_byte_order_mark_is_no_mistake(self, tmp_path):
        path = tmp_path / "bom.toml"
        path.write_bytes(b"\xef\xbb\xbf" + FLASK.encode())
        assert load_target(str(path), Path("nowhere")).name == "notes"

    def test_an_empty_file_lacks_its_schema(self, write):
        assert message_of(write("")).startswith("FILE: schema: is missing")


class TestPlaceholders:
    @pytest.mark.parametrize("text", ["{}", '{"a": 1}', "${HOME}", "{ port }", "{0}"])
    def test_braces_of_others_are_left_alone(self, write, text):
        profile = FLASK.replace('"notes", "run"', f"'{text}', \"run\"")
        assert text in load_target(write(profile), Path("nowhere")).service.command


class TestGeneric:
    def test_a_bare_url_is_a_target(self):
        target = generic_target("https://example.org:8443/")
        assert (target.name, target.source, target.service.url) == ("generic", "", "https://example.org:8443")

    @pytest.mark.parametrize("url", ["example.org", "ftp://x", "http://", "http://x:99999", "http://x:0", ""])
    def test_what_is_no_url_is_refused(self, url):
        with pytest.raises(UsageError, match=r"--url .*write http://HOST:PORT"):
            generic_target(url)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('kind = "basic"\nlogin = "/login"', "logs in with each request"),
        ('kind = "bearr"', "did you mean 'bearer'?"),
        ('kind = "key"\nheader = "X Key"', "cannot stand in a header"),
    ],
)
def test_a_login_that_cannot_be_is_refused(tmp_path, table, said):
    path = tmp_path / "shop.toml"
    path.write_text(f'schema = 1\nname = "shop"\n[service]\nurl = "http://127.0.0.1:1"\n[auth]\n{table}\n')
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_target(str(path), tmp_path)


def test_roles_of_basic_and_of_keys_need_no_login(tmp_path):
    path = tmp_path / "shop.toml"
    head = (
        'schema = 1\nname = "shop"\npolicy = "own.toml"\n[service]\nurl = "http://127.0.0.1:1"\n[api]\npaths = ["/a"]\n'
    )
    path.write_text(head + '[auth]\nkind = "key"\n[auth.roles.user]\npassword = "{env.KEY}"\n')
    target = load_target(str(path), tmp_path)
    assert (target.auth.kind, target.auth.roles["user"].username, target.api.paths) == ("key", "", ("/a",))
    assert target.policy == str(tmp_path / "own.toml")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ('["XSRF-TOKEN", "lang"]', ""),
        ('["sessionid"]', "'sessionid' is the name of a login's cookie, which no script may read"),
        ('["lang", "auth_token"]', "'auth_token' is the name of a login's cookie"),
        ('[" "]', "a cookie's name was expected"),
    ],
)
def test_a_session_cookie_may_not_be_readable(tmp_path, names, says):
    path = tmp_path / "shop.toml"
    service = '[service]\nurl = "http://127.0.0.1:1"\n'
    path.write_text(f'schema = 1\nname = "shop"\n{service}[cookies]\nreadable = {names}\n')
    if not says:
        assert load_target(str(path), root()).cookies.readable == ("XSRF-TOKEN", "lang")
        return
    with pytest.raises(ConfigError, match=r"cookies\.readable") as refused:
        load_target(str(path), root())
    assert says in str(refused.value)
