"""The API as its accounts see it: operations with requests that work, what answers gave, and whose it is."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

from harness.model import Target
from harness.probes.api.accounts import Login, NoAccountError, is_privileged
from harness.probes.api.facts import Fact, Facts
from harness.probes.api.inputs import JSON, Inputs, Parameter, Sampler
from harness.probes.api.pages import local_path, page_of, shows_again, template_of, told_by
from harness.probes.api.request import NOBODY, ApiAccount, ApiClient, Place, RequestDraft, succeeded
from harness.probes.exchange import Exchange
from harness.probes.openapi_operation import Operation

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
_CHANGES = ("PUT", "PATCH", "DELETE")
_CONDITIONS = frozenset(
    {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range", "idempotency-key"}
)
"""Headers that make a request depend on what was read or sent before."""


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
    def title(self) -> str:
        """Its path and its id: the words by which it is known what it is for."""
        return f"{self.operation.path} {self.operation.operation_id}"

    def query_places(self, named: re.Pattern[str]) -> Iterator[Place]:
        """Its parameters of the query that have such a name."""
        yield from (Place("query", (each.name,)) for each in self.inputs.query if named.fullmatch(each.name))

    @property
    def is_disruptive(self) -> bool:
        """Does it, by its name, end what others need?"""
        return DISRUPTIVE.search(self.title) is not None

    @property
    def is_removal(self) -> bool:
        """Does it remove things, by its method or its name?"""
        is_named = re.search(r"delete|remove|erase", self.title, re.IGNORECASE) is not None
        return self.operation.method == "DELETE" or (self.operation.method == "POST" and is_named)

    @property
    def is_of_accounts(self) -> bool:
        """Does it, by its name, deal with logins?"""
        return _OF_ACCOUNTS.search(self.operation.path) is not None

    @property
    def is_for_admins(self) -> bool:
        """Is it, by its words, meant for those who run the service? The front page is called root, and is for all."""
        words = f"{self.operation.path} {self.inputs.words.replace('_', ' ')}"
        return self.operation.path != "/" and _ADMIN.search(words) is not None


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
    def ours(self) -> tuple[ApiAccount, ...]:
        """The accounts that we made."""
        return tuple(each for each in self.accounts if each.ours)

    def peers(self, account: ApiAccount) -> tuple[ApiAccount, ...]:
        """The other accounts of its role."""
        return tuple(each for each in self.accounts if each is not account and each.role == account.role)

    def one_more(self, name: str = "a third user") -> ApiAccount | None:
        """An account made now, where we make them; None where that is not so."""
        try:
            return self.login.register(name) if self.target.auth.register.path and self.ours else None
        except NoAccountError:
            return None

    @property
    def pair(self) -> tuple[ApiAccount, ApiAccount] | None:
        """Two accounts of one role, which must not see each other's things; those that stand above others come last."""
        ordered = sorted(self.accounts, key=lambda each: (is_privileged(each.role), not each.ours))
        of_a_role = ((first, other) for first, other in permutations(ordered, 2) if other.role == first.role)
        return next(of_a_role, None)

    def peer(self, account: ApiAccount) -> ApiAccount | None:
        """Another account of the same role."""
        return next(iter(self.peers(account)), None)

    @property
    def asker(self) -> ApiAccount:
        """Who asks where it matters to nobody: the account with the fewest rights."""
        return min(self.accounts, key=lambda each: (is_privileged(each.role), not each.ours), default=NOBODY)

    @property
    def writer(self) -> ApiAccount:
        """Who writes what may spoil an account: one of ours, where there is one."""
        return next(iter(self.ours), self.asker)

    def draft(self, described: Described, account: ApiAccount, *, all_members: bool = True) -> RequestDraft:
        """A request with values that the account was given, and with samples for the rest."""
        operation, parameters = described.operation, described.inputs.parameters
        needed = {each.name for each in parameters if each.required}
        parts: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
        for each in parameters:
            is_sent = each.required or (all_members and _may_be_added(each, needed))
            if is_sent and each.where in parts and not _comes_with_login(each, account):
                parts[each.where][each.name] = self._value(each, operation, account)
        body, media_type = self._body(described, account, all_members=all_members)
        return RequestDraft(
            operation=operation,
            path=parts["path"],
            query=parts["query"],
            headers=parts["header"],
            cookies=parts["cookie"],
            body=body,
            media_type=media_type,
        )

    def _value(self, asked: Parameter, operation: Operation, account: ApiAccount) -> object:
        """A value for a parameter: one that the account was given, the document's example, or one that fits."""
        if asked.name.lower() == "if-match":
            return "*"
        # what it made itself it may change
        order = self.facts.made_first if operation.method in _CHANGES else self.facts.candidates
        fact = next(iter(order(asked.name, operation.path, account.name)), None)
        is_of_path = asked.where == "path"
        if fact is not None and (is_of_path or asked.required):
            return fact.value
        has_example = bool(asked.example) if is_of_path else asked.example is not None
        return asked.example if has_example else Sampler(lambda _: None).of(asked.schema, asked.name)

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
            answer = self.client.tried(account, draft)
            if succeeded(answer) and not (draft.body and shows_again(answer, draft.body)):
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

    def learn_name(self, account: ApiAccount) -> None:
        """Remember by which name an account is known."""
        self.facts.learn(account.name, "login", "/users", {"username": account.username})

    def learn_forms(self, account: ApiAccount, answer: Exchange) -> None:
        """Remember what the forms of a page hide: a token against forged forms is the account's own."""
        page = page_of(answer)
        for form in page.forms if page is not None else ():
            path = local_path(answer, form.action or answer.url)
            if path is not None and form.method == "post":
                self.hidden[f"POST {template_of(path)[0]}", account.name] = form.hidden

    def worked(self, described: Described, *accounts: ApiAccount) -> RequestDraft | None:
        """The request that worked for the first of these accounts for which one did."""
        drafts = (self.drafts.get((described.name, each.name)) for each in accounts)
        return next((each for each in drafts if each is not None), None)

    def working(
        self, operations: Iterable[Described], *accounts: ApiAccount
    ) -> Iterator[tuple[Described, RequestDraft]]:
        """Those of the operations that worked for one of these accounts, with its request."""
        for described in operations:
            if (draft := self.worked(described, *accounts)) is not None:
                yield described, draft

    def reader(self, described: Described, account: ApiAccount) -> RequestDraft | None:
        """A read of the same path."""
        found = self.operation(f"GET {described.operation.path}")
        return self.draft(found, account) if found is not None else None

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
        known = [each for each in self.facts.kept if each.is_like(fact)]
        before = {each.value for each in known}
        for name in dict.fromkeys(each.operation for each in reversed(known) if each.is_new):
            made = self._made_by(name, fact, account)
            if new := [each for each in made if each.value not in before]:
                return new[-1]
        return None

    def _made_by(self, name: str, fact: Fact, account: ApiAccount) -> list[Fact]:
        """What the account is told by one more request of a maker; nothing else of it is kept."""
        maker, known = self.operation(name), len(self.facts.kept)
        if maker is None or maker.operation.method != "POST" or not succeeded(self.do(maker, account)):
            return []
        made = [each for each in self.facts.kept[known:] if each.account == account.name and each.is_like(fact)]
        # it is made to be removed: no later request should name it
        del self.facts.kept[known:]
        return made


def _may_be_added(asked: Parameter, needed: Container[str]) -> bool:
    """May a parameter be sent that need not be? One of the query narrows an answer."""
    return asked.name.lower() not in _CONDITIONS and (asked.where != "query" or asked.name in needed)


def _comes_with_login(asked: Parameter, account: ApiAccount) -> bool:
    if asked.where == "header":
        return asked.name.lower() == "authorization"
    return asked.where == "cookie" and asked.name in account.cookies
