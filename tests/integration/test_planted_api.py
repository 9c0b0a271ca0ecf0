"""A shop with planted holes: those that are open are found, each by its kind; where all are closed nothing is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature

import pytest

from harness.config import load_target
from harness.machine.bundle import root
from harness.model import StackInfo
from harness.probes.http import RecordingClient
from harness.probes.surface import find_description
from harness.testing import api, eventually
from tests.pages import ROOT
from tests.suite_session import free_port

SHOP = ROOT / "examples" / "planted"
pytestmark = pytest.mark.timeout(900)
FOUND = {
    "object_read": ("objects_read", "GET /api/v2/orders/{order_id}"),
    "object_query": ("objects_read", "GET /api/v2/notes, query parameter of"),
    "object_change": ("objects_changed", "PUT /api/v2/notes/{note_id}"),
    "object_delete": ("objects_changed", "DELETE /api/v2/notes/{note_id}"),
    "password_of_others": ("objects_changed", "PUT /api/v2/users/{username}/password"),
    "function_level": ("functions_open", "GET /api/v2/admin/users"),
    "bypass": ("functions_open", "GET /api/v2/admin/stock, header X-Forwarded-For"),
    "login_missing": ("logins_missing", "GET /api/v2/reports"),
    "mass_registration": ("members_assigned", "POST /api/v2/register, member role"),
    "mass_order": ("members_assigned", "POST /api/v2/orders, member total"),
    "mass_nested": ("members_assigned", "PATCH /api/v2/me, member credit"),
    "author": ("members_assigned", "POST /api/v2/reviews, member author_id"),
    "hash_told": ("secrets_told", "GET /api/v2/users/{username}, member digest"),
    "debug": ("doors_open", "GET /debug/config"),
    "old_version": ("old_versions", "GET /api/v1/orders"),
    "jwt_any": ("tokens_forged", "signed by another key"),
    "jwt_none": ("tokens_forged", "alg none"),
    "jwt_weak": ("tokens_forged", "weak key"),
    "jwt_endless": ("tokens_forged", "token without an end"),
    "logout_ignored": ("logouts_ignored", "POST /api/v2/logout"),
    "password_unchecked": ("passwords_changed", "PUT /api/v2/me/password, member current_password"),
    "password_sessions": ("passwords_changed", "PUT /api/v2/me/password, token after a new password"),
    "default_account": ("default_accounts", "POST /api/v2/login"),
    "reset_told": ("resets_told", "POST /api/v2/forgot"),
    "accounts_text": ("accounts_told", "POST /api/v2/login"),
    "accounts_time": ("accounts_told", "POST /api/v2/login"),
    "logins_unlimited": ("endless_logins", "POST /api/v2/login"),
    "sql_login": ("sql_injections", "POST /api/v2/login, member username"),
    "sql_search": ("sql_injections", "GET /api/v2/products, query parameter q"),
    "sql_sort": ("sql_injections", "GET /api/v2/products, query parameter sort"),
    "sql_path": ("sql_injections", "GET /api/v2/products/{slug}, path parameter slug"),
    "sql_header": ("sql_injections", "GET /api/v2/products/{slug}, header X-Currency"),
    "operator": ("sql_injections", "POST /api/v2/coupons/check, member coupon"),
    "template": ("template_injections", "POST /api/v2/cards, member card.text"),
    "command": ("command_injections", "GET /api/v2/ping, query parameter host"),
    "command_blind": ("command_injections", "POST /api/v2/print, member job.printer"),
    "file": ("files_read", "GET /api/v2/manuals, query parameter name"),
    "entity": ("files_read", "POST /api/v2/import"),
    "redirect": ("open_redirects", "GET /go, query parameter to"),
    "response_header": ("header_injections", "GET /api/v2/language, query parameter code"),
    "markup": ("markup_injections", "GET /hello, query parameter name"),
    "slow_text": ("slow_texts", "POST /api/v2/newsletter, member contact.address"),
    "request_elsewhere": ("requests_elsewhere", "POST /api/v2/hooks, member notify.url"),
    "page_limit": ("endless_pages", "GET /api/v2/products, query parameter limit"),
    "override": ("objects_changed", "GET /api/v2/lists/{list_id}, header X-HTTP-Method-Override"),
    "method_hidden": ("objects_changed", "GET /api/v2/boxes/{box_id}, method DELETE"),
    "put_into": ("objects_changed", "POST /api/v2/wishes, member list.id"),
    "batch": ("objects_read", "POST /api/v2/notes/batch, member ids.0"),
    "sent_twice": ("objects_read", "GET /api/v2/lists, query parameter owner"),
    "wildcard": ("objects_read", "GET /api/v2/people, query parameter q"),
    "spelling": ("functions_open", "GET /api/v2/admin/reports, other spelling of the path"),
    "original_url": ("functions_open", "GET /api/v2/admin/reports, header X-Original-URL"),
    "mass_form": ("members_assigned", "PUT /api/v2/me/name, member role"),
    "prototype": ("prototypes_polluted", "POST /api/v2/lists, member __proto__"),
    "expand": ("answers_widened", "GET /api/v2/orders/{order_id}, query parameter expand"),
    "deleted_read": ("answers_widened", "GET /api/v2/lists/{list_id}, what is deleted"),
    "sort_secret": ("secret_orders", "GET /api/v2/people, query parameter sort"),
    "odd_number": ("odd_numbers", "GET /api/v2/products, query parameter limit"),
    "amount": ("amounts_below_zero", "POST /api/v2/orders, member quantity"),
    "jwt_kid": ("tokens_forged", "kid"),
    "token_query": ("token_in_query", "query parameter access_token"),
    "login_type": ("logins_by_type", "POST /api/v2/login, member password"),
    "account_twice": ("accounts_doubled", "POST /api/v2/register, member email"),
    "account_race": ("accounts_doubled", "POST /api/v2/register, requests at once"),
    "account_ghost": ("accounts_outlived", "DELETE /api/v2/me, token"),
    "refresh_twice": ("refreshes_kept", "POST /api/v2/refresh, member refresh_token"),
    "refresh_after_logout": ("refreshes_kept", "POST /api/v2/logout, token for new tokens"),
    "code_unlimited": ("codes_guessed", "POST /api/v2/otp/check, member code"),
    "host_link": ("links_elsewhere", "POST /api/v2/forgot, header X-Forwarded-Host"),
    "cached": ("answers_cached", "GET /api/v2/me, Cache-Control"),
    "origin_null": ("origins_let_in", "Access-Control-Allow-Origin"),
    "file_name": ("files_taken", "POST /api/v2/pictures, name of the file"),
    "file_kind": ("files_taken", "POST /api/v2/pictures, kind of the file"),
    "session_fixed": ("sessions_fixed", "POST /api/v2/login, cookie sid"),
    "cross_site": ("writes_by_strangers", "Origin"),
    "cookie_readable": ("cookies_readable", "POST /api/v2/login, cookie sid"),
    "head_open": ("logins_missing", "GET /api/v2/store, method HEAD"),
    "update_lost": ("updates_lost", "PUT /api/v2/boxes/{box_id}, header If-Match"),
    "coupon_race": ("used_twice", "POST /api/v2/coupons/redeem, requests at once"),
    "jwt_jku": ("tokens_forged", "jku"),
    "callback": ("origins_let_in", "GET /api/v2/me, query parameter callback"),
    "graph_told": ("schemas_told", "POST /api/v2/graphql, introspection"),
    "graph_endless": ("endless_queries", "POST /api/v2/graphql, size of a query"),
    "graph_object": ("objects_read", "POST /api/v2/graphql, field note"),
    "export_all": ("objects_read", "GET /api/v2/tickets/export"),
    "key_shared": ("objects_read", "POST /api/v2/tickets, header Idempotency-Key"),
    "link_unsigned": ("objects_read", "GET /api/v2/tickets, query parameter sig"),
    "taken_told": ("objects_read", "POST /api/v2/register, member number"),
    "cache_mixed": ("answers_cached", "GET /api/v2/summary, cache"),
    "markup_kept": ("markup_injections", "POST /api/v2/tickets, member text"),
    "name_given": ("accounts_doubled", "PATCH /api/v2/account, member username"),
    "password_short": ("passwords_taken", "POST /api/v2/register, member password"),
}
"""Hole -> the probe that finds it, and what its subject holds."""
HIDDEN = ("jwt_none", "jwt_weak", "jwt_endless", "jwt_kid", "jwt_jku", "accounts_time")
"""Holes that are a part of a wider one where all are open: one cause is one finding."""
OF_ACCOUNTS = ("logouts_ignored", "passwords_changed", "default_accounts", "resets_told", "accounts_told")
OF_ACCESS = ("objects_read", "objects_changed", "functions_open", "logins_missing", "members_assigned", "secrets_told")
OF_COOKIES = ("session_fixed", "cross_site", "callback", "cookie_readable")
"""Holes of logins by cookie."""
OF_LIFE = (
    "logins_by_type",
    "accounts_doubled",
    "accounts_outlived",
    "refreshes_kept",
    "codes_guessed",
    "token_in_query",
    "sessions_fixed",
    "passwords_taken",
)
OF_ANSWERS = (
    "prototypes_polluted",
    "answers_widened",
    "secret_orders",
    "odd_numbers",
    "amounts_below_zero",
    "links_elsewhere",
    "answers_cached",
    "origins_let_in",
    "files_taken",
    "writes_by_strangers",
    "updates_lost",
    "used_twice",
    "schemas_told",
    "endless_queries",
)
OF_DOORS = ("doors_open", "old_versions", "endless_pages", "endless_logins")
OF_TEXT = (
    "sql_injections",
    "template_injections",
    "command_injections",
    "files_read",
    "open_redirects",
    "header_injections",
    "markup_injections",
    "slow_texts",
)


@contextmanager
def shop(holes: str, login: str = "token") -> Iterator[Callable[[], api.World]]:
    """The shop with these holes, and what gives its world to each probe anew."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {**os.environ, "PORT": str(port), "HOLES": holes, "LOGIN": login}
    command = [sys.executable, SHOP / "app.py"]
    with ExitStack() as clients, subprocess.Popen(command, env=settings) as process:
        try:
            eventually(lambda: answers(f"{url}/health"), "the shop", seconds=20)
            target = load_target(str(SHOP / "profile.toml"), root())
            info = StackInfo(name="shop", backend="attach", target=target.name, url=url, owned=True)
            described = find_description(target, url)
            assert described is not None

            def client() -> RecordingClient:
                return clients.enter_context(RecordingClient(url, timeout_s=15))

            def asker() -> api.ApiClient:
                return api.ApiClient(client, seconds=500, most=10_000)

            world = api.look_around(target, info, described, asker(), may_write=True)
            assert world.pair is not None, world.why_no_accounts
            yield lambda: world.asked_by(asker())
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own
            return True
    except OSError:
        return False


def found(world: Callable[[], api.World], probes: Iterable[str]) -> set[tuple[str, str]]:
    """Probe and subject of each hole."""
    return {(name, hole.subject) for name in probes for hole in _holes(world(), name)}


def _holes(world: api.World, name: str) -> list[api.Hole]:
    probe = getattr(api, name)
    with api.listening() as listener:
        given = {"gate": lambda: api.gate_of(world), "places": lambda: api.sites(world), "listener": lambda: listener}
        given["path"] = lambda: api.graph_of(world)
        kept = list(probe(world, *(given[each]() for each in signature(probe).parameters if each != "world")))
    assert all(hole.proof for hole in kept), kept
    return kept


def missed(holes: Iterable[str], seen: set[tuple[str, str]]) -> list[str]:
    """The holes that no finding is about."""
    wanted = {hole: FOUND[hole] for hole in holes}
    return [
        hole
        for hole, (probe, part) in wanted.items()
        if not any(name == probe and part in subject for name, subject in seen)
    ]


def wrong(holes: Iterable[str], seen: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The findings that are about no hole."""
    known = [FOUND[hole] for hole in holes]
    return [each for each in seen if not any(each[0] == probe and part in each[1] for probe, part in known)]


def test_open_holes_of_access_and_accounts_are_found():
    probes = (*OF_ACCESS, *OF_DOORS, *OF_ACCOUNTS, "tokens_forged")
    planted = [hole for hole, (probe, _) in FOUND.items() if probe in probes and hole not in HIDDEN]
    with shop("on") as world:
        seen = found(world, probes)
    assert missed(planted, seen) == []


def test_open_holes_of_an_accounts_life_and_of_answers_are_found():
    probes = (*OF_LIFE, *OF_ANSWERS)
    planted = [hole for hole, (probe, _) in FOUND.items() if probe in probes and hole not in OF_COOKIES]
    with shop(",".join(planted)) as world:
        seen = found(world, probes)
    assert missed(planted, seen) == []
    assert wrong(planted, seen) == []


def test_open_holes_for_text_are_found():
    probes = (*OF_TEXT, "requests_elsewhere")
    planted = [hole for hole, (probe, _) in FOUND.items() if probe in probes]
    with shop(",".join(planted)) as world:
        seen = found(world, probes)
    assert missed(planted, seen) == []
    assert wrong(planted, seen) == []


def test_a_hole_is_found_behind_a_wider_one():
    with shop(",".join(HIDDEN)) as world:
        seen = found(world, ("tokens_forged", "accounts_told"))
    assert missed(HIDDEN, seen) == []


@pytest.mark.parametrize("login", ["token", "cookie"])
def test_nothing_is_found_where_all_is_closed(login):
    probes = dict.fromkeys(probe for probe, _ in FOUND.values())
    with shop("off", login) as world:
        assert found(world, probes) == set()


@pytest.mark.parametrize("hole", ["object_read", "logout_ignored", "sql_login", *OF_COOKIES])
def test_a_hole_is_found_behind_a_cookie_too(hole):
    with shop(hole, "cookie") as world:
        seen = found(world, [FOUND[hole][0]])
    assert missed([hole], seen) == []


def test_an_account_of_our_own_sends_requests_made_of_the_document(tmp_path):
    command = [sys.executable, "-m", "harness", "run", "e2e", "--target", str(SHOP / "profile.toml"), "--json"]
    options = ["--env", "HOLES=off", "--out", str(tmp_path), "--", "-k", "test_writes_made and registered"]
    ended = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT, check=False)
    run = tmp_path / "runs" / json.loads(ended.stdout)["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    own = [line for line in lines if line["subject"] == "writes as registered"]
    assert {line["outcome"] for line in own} == {"pass", "measured"}
    # what needs a login answered it
    assert [line for line in own if line["check"] == "openapi.generated_login" and line["outcome"] == "pass"]
