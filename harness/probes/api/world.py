"""The API as its accounts see it: operations with requests that work, what answers gave, and whose it is.

It is looked around once, by reads, and by writes where they are allowed: each account makes things of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from harness.model import StackInfo, Target
from harness.probes.acts import seems_to_act
from harness.probes.api.accounts import Login, NoAccountError, is_privileged
from harness.probes.api.facts import Fact, Facts
from harness.probes.api.inputs import JSON, Inputs, Sampler
from harness.probes.api.pages import local_path, local_target, operations_of, page_of, shows_again, template_of, told_by
from harness.probes.api.request import NOBODY, ApiAccount, ApiClient, OutOfTime, RequestDraft, succeeded
from harness.probes.exchange import Exchange
from harness.probes.openapi import OpenApi, OpenApiError, Operation

MOST_OPERATIONS = 150
DISRUPTIVE = re.compile(
    r"log_?-?out|sign_?-?out|logoff|create_?db|reset_?db|/reset\b|shutdown|restart|reboot|purge|wipe|truncate|drop_|"
    r"destroy|populate|seed|revoke|deactivate",
    re.IGNORECASE,
)
"""Operations that end what others need; they are called where something is learned from it, and nowhere else."""
_OF_ACCOUNTS = re.compile(
    r"log_?-?in|sign_?-?in|sign_?-?up|register|token|password|passwd|forgot|recover|refresh|auth\b", re.IGNORECASE
)
_ADMIN = re.compile(
    r"(?<![a-z])(?:admins?|administrators?|internal|management|superusers?|backoffice|staff|operators?|root|sysadmin)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_OF_A_PERSON = re.compile(r"passw|e?mail|user_?name|login|role", re.IGNORECASE)
_CHANGES = ("PUT", "PATCH", "DELETE")
_CONDITIONS = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"})
"""Headers that make a request depend on what was read before."""
_ROUNDS = 2
_MOST_PAGES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An operation, and what it takes."""

    operation: Operation
    inputs: Inputs

    @property
    def name(self) -> str:
        """`GET /path`."""
        return self.operation.name

    @property
    def is_disruptive(self) -> bool:
        """Does it, by its name, end what others need?"""
        return DISRUPTIVE.search(f"{self.operation.path} {self.operation.operation_id}") is not None

    @property
    def is_removal(self) -> bool:
        """Does it remove things, by its method or its name?"""
        words = f"{self.operation.path} {self.operation.operation_id}"
        is_named = re.search(r"delete|remove|erase", words, re.IGNORECASE) is not None
        return self.operation.method == "DELETE" or (self.operation.method == "POST" and is_named)

    @property
    def is_of_accounts(self) -> bool:
        """Does it, by its name, deal with logins?"""
        return _OF_ACCOUNTS.search(self.operation.path) is not None

    @property
    def is_for_admins(self) -> bool:
        """Is it, by its words, meant for those who run the service?"""
        return _ADMIN.search(f"{self.operation.path} {self.inputs.words.replace('_', ' ')}") is not None


@dataclass
class World:
    """See the module's text. `drafts` holds of each operation and account the request that worked."""

    target: Target
    login: Login
    operations: tuple[Described, ...]
    facts: Facts = field(default_factory=Facts)
    accounts: tuple[ApiAccount, ...] = ()
    drafts: dict[tuple[str, str], RequestDraft] = field(default_factory=dict)
    answers: dict[tuple[str, str], Exchange] = field(default_factory=dict)
    """The latest answer of each operation to each account."""
    hidden: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Of each form and account what its page hides in it."""
    places: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """What was found out once about where free text gets in."""
    why_no_accounts: str = ""
    was_cut: str = ""
    """Why not all was looked at; "" if all was."""

    @property
    def client(self) -> ApiClient:
        """Who sends."""
        return self.login.client

    def asked_by(self, client: ApiClient) -> World:
        """The same, with another client that sends."""
        return replace(self, login=replace(self.login, client=client))

    def __post_init__(self) -> None:
        self._by_name = {each.name: each for each in self.operations}

    def operation(self, name: str) -> Described | None:
        """The operation of that name."""
        return self._by_name.get(name)

    @property
    def pair(self) -> tuple[ApiAccount, ApiAccount] | None:
        """Two accounts of one role, which must not see each other's things; those that stand above others come last."""
        ordered = sorted(self.accounts, key=lambda each: (is_privileged(each.role), not each.ours))
        for first in ordered:
            for other in ordered:
                if other is not first and other.role == first.role:
                    return first, other
        return None

    def peer(self, account: ApiAccount) -> ApiAccount | None:
        """Another account of the same role."""
        return next((each for each in self.accounts if each is not account and each.role == account.role), None)

    @property
    def asker(self) -> ApiAccount:
        """Who asks where it matters to nobody: the account with the fewest rights."""
        return min(self.accounts, key=lambda each: (is_privileged(each.role), not each.ours), default=NOBODY)

    @property
    def writer(self) -> ApiAccount:
        """Who writes what may spoil an account: one of ours, where there is one."""
        return next((each for each in self.accounts if each.ours), self.asker)

    def draft(self, described: Described, account: ApiAccount, *, all_members: bool = True) -> RequestDraft | None:
        """A request with values that the account was given; None where a parameter of the path cannot be filled."""
        operation, inputs = described.operation, described.inputs
        parts: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
        for each in inputs.parameters:
            if each.where not in parts or (not each.required and each.name.lower() in _CONDITIONS):
                continue
            # what it made itself it may change
            order = self.facts.made_first if operation.method in _CHANGES else self.facts.candidates
            fact = next(iter(order(each.name, operation.path, account.name)), None)
            sampler = Sampler(lambda _: None)
            value: Any
            if each.name.lower() == "if-match":
                value = "*"
            elif each.where == "path":
                value = fact.value if fact is not None else each.example or sampler.of(each.schema, each.name)
            elif fact is not None and each.required:
                value = fact.value
            elif each.example is not None:
                value = each.example
            else:
                value = sampler.of(each.schema, each.name)
            if each.required or all_members:
                parts[each.where][each.name] = value
        if all_members and not all(each.required for each in inputs.parameters if each.where == "query"):
            needed = {each.name for each in inputs.parameters if each.required}
            parts["query"] = {key: value for key, value in parts["query"].items() if key in needed}
        body, media_type = self._body(described, account, all_members=all_members)
        return RequestDraft(
            operation=operation,
            path=parts["path"],
            query=parts["query"],
            headers={key: each for key, each in parts["header"].items() if key.lower() != "authorization"},
            cookies={key: each for key, each in parts["cookie"].items() if key not in account.cookies},
            body=body,
            media_type=media_type,
        )

    def _body(self, described: Described, account: ApiAccount, *, all_members: bool) -> tuple[Any, str]:
        found = described.inputs.body
        if found is None:
            return None, ""

        def known(name: str) -> object | None:
            if not re.search(r"(?i)(ids?|uuid|guid|slug|sku|code|ref)$", name):
                return None
            fact = next(self.facts.candidates(name, described.operation.path, account.name), None)
            return fact.value if fact is not None else None

        made = Sampler(known, all_members=all_members).of(found.schema)
        if isinstance(found.example, dict) and isinstance(made, dict):
            made = {**found.example, **{key: value for key, value in made.items() if key not in found.example}}
        if described.operation.method == "PATCH" and not made:
            made = {}
        if hidden := self.hidden.get((described.name, account.name)):
            made = {**hidden, **made}
        return made, found.media_type or JSON

    def do(self, described: Described, account: ApiAccount) -> Exchange | None:
        """Ask an operation as an account, with all members or else with those required; learn what it answers."""
        answer = None
        for all_members in (True, False):
            draft = self.draft(described, account, all_members=all_members)
            if draft is None:
                return None
            answer = self.client.tried(account, draft)
            if succeeded(answer) and answer is not None and not (draft.body and shows_again(answer, draft.body)):
                self.keep(described, account, draft, answer)
                return answer
            if answer is None or answer.status in (401, 403, 404, 405) or described.inputs.body is None:
                break
        if answer is not None:
            self.answers.setdefault((described.name, account.name), answer)
        return answer

    def keep(self, described: Described, account: ApiAccount, draft: RequestDraft, answer: Exchange) -> None:
        """Remember a request that worked, and what its answer gave."""
        self.drafts[described.name, account.name] = draft
        self.answers[described.name, account.name] = answer
        is_new = not described.operation.is_safe
        self.facts.learn(account.name, described.name, described.operation.path, told_by(answer), is_new=is_new)
        self.learn_forms(account, answer)

    def learn_forms(self, account: ApiAccount, answer: Exchange) -> None:
        """Remember what the forms of a page hide: a token against forged forms is the account's own."""
        page = page_of(answer)
        for form in page.forms if page is not None else ():
            path = local_path(answer, form.action or answer.url)
            if path is not None and form.method == "post":
                self.hidden[f"POST {template_of(path)[0]}", account.name] = form.hidden

    def reads(self) -> Iterator[Described]:
        """Operations that only read; those with the fewest parameters first."""
        yield from (each for each in self.operations if each.operation.method == "GET" and not each.is_disruptive)

    def writes(self) -> Iterator[Described]:
        """Operations that write members of a body."""
        methods = ("POST", "PUT", "PATCH")
        yield from (each for each in self.operations if each.operation.method in methods and not each.is_disruptive)

    def known_reads(self, account: ApiAccount) -> Iterator[tuple[Described, RequestDraft]]:
        """Reads that worked for an account, each with its request."""
        for each in self.reads():
            if (draft := self.drafts.get((each.name, account.name))) is not None:
                yield each, draft

    def makers(self) -> Iterator[Described]:
        """Operations that make things, beside accounts and logins."""
        for each in self.operations:
            is_left_alone = each.is_disruptive or each.is_of_accounts or each.is_removal
            if each.operation.method == "POST" and not is_left_alone:
                yield each

    def fresh(self, fact: Fact, account: ApiAccount) -> Fact | None:
        """The same member of a thing that the account makes now; None where no operation makes it."""
        made_by = [each.operation for each in self.facts.kept if each.is_new and _is_like(each, fact)]
        for name in dict.fromkeys(reversed(made_by)):
            maker, known = self.operation(name), len(self.facts.kept)
            if maker is None or maker.operation.method != "POST" or not succeeded(self.do(maker, account)):
                continue
            made = [each for each in self.facts.kept[known:] if each.account == account.name and _is_like(each, fact)]
            before = {each.value for each in self.facts.kept[:known] if _is_like(each, fact)}
            # it is made to be removed: no later request should name it
            del self.facts.kept[known:]
            if new := [each for each in made if each.value not in before]:
                return new[-1]
        return None


def _is_like(one: Fact, other: Fact) -> bool:
    return (one.name, one.resource) == (other.name, other.resource)


def look_around(target: Target, info: StackInfo, api: OpenApi | None, client: ApiClient, *, may_write: bool) -> World:
    """Ask every operation as every account; without a document those are what its pages link and ask for."""
    login = Login(target, info, client)
    world = World(target, login, tuple(_described(api)) if api is not None else ())
    try:
        world.accounts = tuple(_accounts(world, may_write=may_write))
        if api is None:
            world = _along_pages(world, may_write=may_write)
        everybody = (*world.accounts, NOBODY)
        for account in world.accounts:
            world.facts.learn(account.name, "login", "/users", {"username": account.username})
        for _ in range(_ROUNDS):
            _ask_all(world, world.reads(), everybody)
            if may_write:
                _ask_all(world, world.makers(), world.accounts)
                _set_own(world)
        _ask_all(world, world.reads(), everybody)
    except OutOfTime as end:
        world.was_cut = str(end)
    return world


def _along_pages(world: World, *, may_write: bool) -> World:
    """The world with operations that pages told: those from the start, then those that tell of what was made."""
    account = next((each for each in world.accounts if not is_privileged(each.role)), world.asker)
    for _ in range(2):
        found: dict[str, Described] = {}
        for each in (*world.operations, *_walked(world, account)):
            # a link tells less of a page than the form that leads to it
            known = found.get(each.name)
            if known is None or len(each.inputs.parameters) > len(known.inputs.parameters):
                found[each.name] = each
        ordered = sorted(found.values(), key=lambda each: (each.operation.path.count("{"), each.operation.path))
        world = replace(world, operations=tuple(ordered[:MOST_OPERATIONS]))
        if may_write and account.ours:
            _ask_all(world, world.makers(), (account,))
    return world


def _walked(world: World, account: ApiAccount) -> Iterator[Described]:
    """What an account is led to from the front page on; what ends or orders something is noted, and not asked."""
    ahead = ["/", *world.target.pages.paths, *world.target.pages.open, *world.login.landings]
    asked: set[str] = set()
    while ahead and len(asked) < _MOST_PAGES:
        target = ahead.pop(0)
        path, _, query = target.partition("?")
        known = f"{template_of(path)[0]}?{'&'.join(sorted(each.partition('=')[0] for each in query.split('&')))}"
        if known in asked or not path.startswith("/"):
            continue
        asked.add(known)
        answer = world.client.heard(account, "GET", target)
        if answer is None or not 200 <= answer.status < 300:
            led = local_target(answer, answer.header("Location") or "") if answer is not None else None
            ahead += [led] if led else []
            continue
        world.facts.learn(account.name, f"GET {path}", path, told_by(answer))
        world.learn_forms(account, answer)
        page = page_of(answer)
        linked = [local_target(answer, address) for address, _ in page.links] if page is not None else []
        ahead += [each for each in linked if each and not DISRUPTIVE.search(each) and not seems_to_act(each, {})]
        for operation, inputs in operations_of(answer):
            yield Described(operation=operation, inputs=inputs)


def _set_own(world: World) -> None:
    """Let accounts of ours set what is set by naming a thing: an alert, a vote, a mark."""
    for described in world.operations:
        names = described.operation.method == "PUT" and "{" in described.operation.path
        if not names or described.is_disruptive or described.is_of_accounts or described.is_for_admins:
            continue
        for account in (each for each in world.accounts if each.ours):
            draft = world.draft(described, account)
            if draft is not None and not any(_OF_A_PERSON.search(place.name) for place, _ in draft.places()):
                world.do(described, account)


def _ask_all(world: World, operations: Iterable[Described], accounts: Iterable[ApiAccount]) -> None:
    asked = tuple(accounts)
    for described in operations:
        for account in asked:
            world.do(described, account)


def _described(api: OpenApi) -> Iterator[Described]:
    # what needs least comes first, so that its answers fill what needs more
    for operation in sorted(api.operations, key=lambda each: (each.path.count("{"), len(each.required), each.path))[
        :MOST_OPERATIONS
    ]:
        try:
            yield Described(operation=operation, inputs=api.inputs(operation))
        except OpenApiError:
            continue


def _accounts(world: World, *, may_write: bool) -> Iterator[ApiAccount]:
    login = world.login
    if not world.target.auth.login:
        world.why_no_accounts = "the profile has no [auth] login"
        return
    if may_write and world.target.auth.register.path:
        try:
            yield login.register("account A")
            yield login.register("account B")
        except NoAccountError as why:
            world.why_no_accounts = str(why)
    for _, account in login.given():
        yield account
    if not world.target.auth.roles and not world.target.auth.register.path:
        world.why_no_accounts = "the profile names no [auth.roles] and no [auth.register]"
