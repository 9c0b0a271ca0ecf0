"""Requests that are made of the OpenAPI document: valid and invalid ones, and chains of them.

What is found is evidence of its own, one line for each cause; the tests here say that requests were made at all.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.testing import Context, Observation, Outcome, RecordingClient, context_of
from harness.testing.probes import Bounds, OpenApi, curl_line, find_effects, generate_requests, seed_of

NOBODY = "nobody"
REGISTERED = "registered"
"""An account of our own, where the profile names none and says how anybody makes one."""
GENTLE = 100
"""Requests at most to a service on another machine that nobody allowed to be loaded."""
FULL_SHARES = 4
"""So many callers have each what the profile allows to one; more than that share it, so that the whole is bounded."""
LIMITER_SHARE = 0.4
SHOWN = 10
KINDS = {
    "server_error": ("high", "RFC 9110, 15.6", "Input of a client makes the service fail.", "Handle that input."),
    "unanswered": ("high", "RFC 9110, 15", "A client that asks so gets no answer.", "Answer, within the time-out."),
    "status": (
        "minor",
        "OpenAPI 3.1, 4.8.16",
        "Clients that were written by the document do not expect that status.",
        "Describe the status in the operation's responses, or as `default`.",
    ),
    "media_type": (
        "normal",
        "OpenAPI 3.1, 4.8.17",
        "Clients cannot read an answer of another media type than described.",
        "Answer in a described media type, or describe this one.",
    ),
    "body": (
        "high",
        "OpenAPI 3.1, 4.8.14",
        "Clients that were written by the document break on such a body.",
        "Make body and schema the same.",
    ),
    "header": (
        "normal",
        "OpenAPI 3.1, 4.8.21",
        "Clients rely on a header that the document calls required.",
        "Send the header, or do not call it required.",
    ),
    "refused_valid": (
        "minor",
        "OpenAPI 3.1, 4.8.12",
        "Clients that keep to the document are refused.",
        "Take such data, or describe what is refused.",
    ),
    "accepted_invalid": (
        "normal",
        "CWE-20; OpenAPI 3.1, 4.8.12",
        "Data that nobody foresaw gets further into the service.",
        "Refuse such data with 400 or 422, or allow it in the document.",
    ),
    "accepted_without_header": (
        "minor",
        "OpenAPI 3.1, 4.8.12",
        "The document and the service disagree about what must be sent.",
        "Refuse requests without the header, or do not call it required.",
    ),
    "method": (
        "minor",
        "RFC 9110, 15.5.6",
        "A method that nobody described does something.",
        "Answer 405 with Allow to methods that are not described.",
    ),
    "allow": ("trivial", "RFC 9110, 10.2.1", "Allow tells clients something wrong.", "List all methods in Allow."),
    "login": (
        "critical",
        "OWASP API2:2023; OpenAPI 3.1, 4.8.30",
        "Anybody may do what the document keeps for those who are logged in.",
        "Refuse requests without a valid login, or describe the operation as open.",
    ),
    "freed": (
        "high",
        "RFC 9110, 9.3.5",
        "What a client deleted is still there.",
        "Answer 404 or 410 for what was deleted.",
    ),
    "lost": (
        "normal",
        "RFC 9110, 9.3.3",
        "What a client created cannot be found.",
        "Let what was created be found at once.",
    ),
}


def pytest_generate_tests(metafunc):
    """`caller`: nobody, and whoever logs in."""
    if "caller" in metafunc.fixturenames:
        metafunc.parametrize("caller", (NOBODY, *logged_in(context_of(metafunc.config).target)))


def logged_in(target):
    """Each role of the profile; else an account of our own."""
    return tuple(target.auth.roles) or ((REGISTERED,) if target.auth.register.path else ())


@pytest.mark.check(
    "openapi.generated",
    severity="high",
    source="OpenAPI 3.1, 4.8",
    subject="reads as {caller}",
    why="Nothing is known of operations that nothing calls.",
    remedy="Mend the document, or name in [openapi] leave_out what must not be called.",
)
def test_reads_made_of_the_document_are_answered_as_described(trying, caller):
    operations = [one for one in trying.operations(caller) if not one.acts]
    if trying.may_write and not all(one.is_safe for one in operations):
        pytest.skip("not applicable: writes are allowed, and what writes is tried together with what reads")
    trying(caller, [one for one in operations if one.is_safe], writes=False)


@pytest.mark.alone
@pytest.mark.writes
@pytest.mark.attacks
@pytest.mark.check(
    "openapi.generated_writes",
    severity="high",
    source="OpenAPI 3.1, 4.8",
    subject="writes as {caller}",
    why="Nothing is known of operations that nothing calls.",
    remedy="Mend the document, or name in [openapi] leave_out what must not be called.",
)
def test_writes_made_of_the_document_are_answered_as_described(trying, caller):
    operations = [one for one in trying.operations(caller) if not one.acts]
    if all(one.is_safe for one in operations):
        pytest.skip(f"not applicable: the document describes nothing that {caller} may write")
    trying(caller, operations, writes=True)


@pytest.mark.alone
@pytest.mark.writes
@pytest.mark.check(
    "openapi.effects",
    severity="high",
    source="RFC 9110, 9.2.1",
    subject="GET",
    why="Crawlers, previews and caches follow GETs, and so change what is kept.",
    remedy="Let a POST or DELETE do it; until then name it in [openapi] leave_out.",
)
def test_what_reads_changes_nothing(client, described, record):
    plain = [one for one in described.operations if one.method == "GET" and not one.required and not one.needs_login]
    lists = [one.path for one in described.plain_gets()]
    if not plain or not lists:
        pytest.skip("not applicable: the document describes no GET that anybody may send as it stands")
    # those that give an order come last: they may leave nothing to compare
    effects = find_effects(client, sorted(plain, key=lambda one: one.acts), lists)
    for effect in effects:
        record(
            Observation(
                suite="e2e",
                check="openapi.safe_reads",
                subject=effect.operation.name,
                outcome=Outcome.FAIL,
                detail={
                    "message": effect.says,
                    "curl": [curl_line(effect.exchange)],
                    "severity": "high",
                    "source": "RFC 9110, 9.2.1",
                    "why": "Crawlers, previews and caches follow GETs, and so change what is kept.",
                    "remedy": "Let a POST or DELETE do it; until then name it in [openapi] leave_out.",
                },
            )
        )
    assert client.exchanges, "no read was sent"


@pytest.fixture
def trying(pytestconfig, request, described, surface, new_client, register, record, measure):
    """Makes requests of operations as a caller, and writes what was found."""
    return Trying(
        context=context_of(pytestconfig),
        described=described,
        plain=frozenset(surface.paths),
        new_client=new_client,
        register=register,
        record=record,
        measure=measure,
        seed=pytestconfig.getoption("--generated-seed"),
        test=request.node.originalname,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """One run of generated requests, and how it becomes evidence."""

    context: Context
    described: OpenApi
    plain: frozenset[str]
    """Paths that other tests read as they stand."""
    new_client: Callable[..., RecordingClient]
    register: Callable[[], dict[str, str]]
    record: Callable[..., None]
    measure: Callable[..., None]
    seed: int | None
    test: str

    def operations(self, caller):
        """What that caller tries: a role what needs a login, nobody the rest; all where there is no role."""
        told = self.described.operations
        if caller != NOBODY:
            return [one for one in told if one.needs_login]
        return [one for one in told if not (one.needs_login and logged_in(self.context.target))]

    def __call__(self, caller, operations, *, writes):
        """Try them, and write a line for each fault, for each kind that held, and for what was not tried."""
        target = self.context.target
        if target.openapi.requests == 0:
            pytest.skip("not applicable: [openapi] requests = 0")
        if not operations:
            pytest.skip(f"not applicable: the document describes nothing for {caller} to call")
        refusal = self.context.refusal("load")
        share = min(1.0, FULL_SHARES / (1 + len(logged_in(target))))
        bounds = Bounds(
            seed=self.drawn_by,
            requests=min(GENTLE, target.openapi.requests)
            if refusal
            else max(1, round(target.openapi.requests * share)),
            seconds=target.openapi.seconds * share,
            writes=writes,
            invalid=refusal is None,
            per_client=round(LIMITER_SHARE * target.ratelimit.limit) if target.ratelimit else 100,
        )
        credentials = self._credentials(caller)
        done = generate_requests(
            self.described, operations, self.context.info.url, self.new_client, bounds, credentials
        )
        limits = "; ".join(done.limits)
        if not done.requests:
            pytest.skip(f"the harness can make no request of the document: {limits or 'it describes none'}")
        subject = f"{'writes' if writes else 'reads'} as {caller}"
        url = self.context.info.url
        new = [fault for fault in done.faults if caller != NOBODY or not fault.is_of_plain_read(url, self.plain)]
        self.record(*(self._fault(fault, caller) for fault in new))
        self.record(*self._held(done, subject))
        told = [done.stopped, f"not called: {few(done.uncalled)}" if done.uncalled else "", limits]
        self._count("openapi.generated_requests", done.requests, subject, " · ".join(filter(None, told)))
        acting = [one.name for one in self.described.operations if one.acts]
        if acting and not writes:
            self._count("openapi.acting", len(acting), subject, f"seem to change something: {few(acting)}")
        print(f"{done.requests} requests; to repeat them: {self.repeat(caller)}")
        assert done.operations, f"nothing answered of {len(operations)} operations: {limits}"

    @property
    def may_write(self):
        """Whether the tests that write run too."""
        return self.context.refusal("write") is None and self.context.refusal("attack") is None

    @property
    def drawn_by(self):
        """The seed: given for this session, else by the profile, else by the document."""
        for seed in (self.seed, self.context.target.openapi.seed):
            if seed is not None:
                return seed
        return seed_of(self.described)

    def repeat(self, caller):
        """The command that sends the same requests again."""
        target, info = self.context.target, self.context.info
        words = ["harness", "run", "e2e"]
        words += ["--target", target.source] if target.source else []
        elsewhere = not target.source or (not info.owned and info.url != target.service.url)
        words += ["--url", info.url] if elsewhere else []
        words += ["--active"] if self.context.active else []
        words += ["--", "-k", f"{self.test} and {caller}", "--generated-seed", str(self.drawn_by)]
        return shlex.join(words)

    def _credentials(self, caller):
        """The headers that a client has for being logged in."""
        if caller == NOBODY:
            return {}
        if caller == REGISTERED:
            refusal = self.context.refusal("write")
            if refusal is not None:
                pytest.skip(str(refusal))
            return self.register()
        plain, logged_in = self.new_client().headers, self.new_client(role=caller).headers
        return {name: value for name, value in logged_in.items() if plain.get(name) != value}

    def _fault(self, fault, caller):
        more = f"; also at {few(fault.places[1:])}" if len(fault.places) > 1 else ""
        return line(
            fault.kind,
            fault.operation,
            Outcome.FAIL,
            message=fault.says + more,
            curl=[curl_line(sent) for sent in fault.sent],
            seen=fault.seen,
            caller=caller,
            repeat=self.repeat(caller),
        )

    def _held(self, done, subject):
        found = {fault.kind for fault in done.faults}
        for kind in KINDS:
            if kind not in found and done.tried.get(kind):
                yield line(kind, subject, Outcome.PASS, n=done.tried[kind])

    def _count(self, check, value, subject, reason):
        self.measure(
            check,
            value,
            unit="requests" if check.endswith("requests") else "operations",
            statistic="count",
            interval=(value, value),
            n=value,
            method="exact",
            subject=subject,
            reason=reason,
        )


def few(names):
    """The first of them, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def line(kind, subject, outcome, n=1, **detail):
    """What was seen of one kind of fault."""
    severity, source, why, remedy = KINDS[kind]
    told = {"severity": severity, "source": source, "why": why, "remedy": remedy}
    return Observation(
        suite="e2e", check=f"openapi.generated_{kind}", subject=subject, outcome=outcome, n=n, detail=detail | told
    )
