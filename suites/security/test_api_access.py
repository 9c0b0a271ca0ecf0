"""Who may see and change what: objects of others, functions of others, members that nobody may decide (OWASP API 1-5).

The probes ask as two accounts of one role, which the profile names or `[auth.register]` makes.
"""

import pytest

from harness.testing.api import (
    answers_widened,
    doors_open,
    functions_open,
    graph_of,
    is_conditional,
    logins_missing,
    members_assigned,
    objects_asked,
    objects_changed,
    objects_read,
    old_versions,
    prototypes_polluted,
    secret_orders,
    secrets_told,
    updates_lost,
    used_twice,
)

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240)]
TWO = "two accounts of one role are needed: add [auth.register], or [auth.second.ROLE] beside [auth.roles.ROLE]"


@pytest.fixture
def two(api):
    """The API, seen by two accounts of one role."""
    if api.pair is None:
        pytest.skip(api.target.absent.get("auth") or f"{TWO} ({api.why_no_accounts or 'one is not enough'})")
    return api


@pytest.fixture
def readers(met, request):
    """Two accounts of one role, and what they may read; by GraphQL alone where nothing else tells it."""
    if met.operations or met.pair is None or not (path := graph_of(met)):
        return request.getfixturevalue("two")
    if not objects_asked(met, path):
        pytest.skip(f"not applicable: {path} tells of nothing that an account has and a field gives by its key")
    return met


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.objects_read",
    severity="critical",
    source="OWASP API1:2023; CWE-639",
    subject="every read",
    why="Whoever has an account reads what belongs to others, by naming it.",
    remedy="Look up each object together with the account that asks, and answer 404 where it is another's.",
)
def test_nobody_reads_what_is_anothers(readers, first_hole):
    hole = first_hole(objects_read(readers))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.objects_changed",
    severity="critical",
    source="OWASP API1:2023; CWE-639",
    subject="every write",
    why="Whoever has an account changes or removes what belongs to others, by naming it.",
    remedy="Hold each write against the account that asks, and answer 404 where the object is another's.",
)
def test_nobody_changes_what_is_anothers(two, first_hole):
    hole = first_hole(objects_changed(two))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.functions",
    severity="critical",
    source="OWASP API5:2023; CWE-285",
    subject="operations for those who run the service",
    why="Functions of those who run the service are open to those who use it.",
    remedy="Ask for the role in one place for all such operations, and refuse by default.",
)
def test_functions_of_admins_are_theirs(api, first_hole):
    if not any(each.is_for_admins for each in api.operations):
        pytest.skip("not applicable: no operation is, by its name, for those who run the service")
    hole = first_hole(functions_open(api))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.login_needed",
    severity="critical",
    source="OWASP API2:2023; CWE-306",
    subject="operations behind a login",
    why="What is described as behind a login is open to anybody.",
    remedy="Ask for the login in one place for all operations, and name those that are open.",
)
def test_what_needs_a_login_is_closed_without_one(accounts, first_hole):
    if not any(each.operation.needs_login for each in accounts.operations):
        pytest.skip("not applicable: the document describes no operation as behind a login")
    hole = first_hole(logins_missing(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.members_assigned",
    severity="high",
    source="OWASP API3:2023; CWE-915",
    subject="every write",
    why="A client decides what the service should decide: a role, a price, an owner.",
    remedy="Take from a request only the members that it may set, by a list.",
)
def test_a_client_sets_only_what_it_may(accounts, first_hole):
    hole = first_hole(members_assigned(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.secrets_told",
    severity="high",
    source="OWASP API3:2023; CWE-200",
    subject="every answer",
    why="Passwords, hashes and tokens in answers end in logs, caches and hands of others.",
    remedy="Write answers from a list of members, not from whole records.",
)
def test_no_answer_tells_a_secret(api, first_hole):
    if not api.answers:
        pytest.skip("not applicable: no operation of the document was answered")
    hole = first_hole(secrets_told(api))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.doors",
    severity="high",
    source="OWASP API8:2023, API9:2023; CWE-489",
    subject="usual paths of tools",
    why="A door for those who run or write the service stands open to everybody.",
    remedy="Leave debugging and management out of what is delivered, or put them behind a login.",
)
def test_no_door_stands_open_beside_the_api(api, first_hole):
    hole = first_hole(doors_open(api))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.old_versions",
    severity="high",
    source="OWASP API9:2023",
    subject="earlier versions",
    why="An earlier version that was forgotten gives what the present one guards.",
    remedy="Take earlier versions down, or guard them as the present one.",
)
def test_no_earlier_version_is_less_guarded(accounts, first_hole):
    hole = first_hole(old_versions(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.prototypes",
    severity="high",
    source="CWE-1321",
    subject="every write",
    why="A client gives all objects of the service a member: a role, a setting, a path.",
    remedy="Take members by a list, and never merge `__proto__`, `constructor` or `__class__`.",
)
def test_no_member_of_a_request_becomes_one_of_all_objects(accounts, first_hole):
    hole = first_hole(prototypes_polluted(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.answers_widened",
    severity="high",
    source="OWASP API3:2023; CWE-213",
    subject="every read",
    why="A word in the query adds to an answer what nobody meant to give.",
    remedy="Expand and select by a list, with the same checks as a read of its own; keep what is deleted to its owner.",
)
def test_no_word_of_the_query_widens_an_answer(accounts, first_hole):
    hole = first_hole(answers_widened(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.secret_orders",
    severity="normal",
    source="CWE-202; OWASP API3:2023",
    subject="listings that are sorted",
    why="An order by a secret tells the secret, letter by letter, to whoever may add entries of his own.",
    remedy="Sort by a list of members that are shown.",
)
def test_no_listing_is_sorted_by_a_secret(accounts, first_hole):
    hole = first_hole(secret_orders(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.updates_lost",
    severity="normal",
    source="RFC 9110, 13.1.1; CWE-362",
    subject="changes on a condition",
    why="Of two who change the same thing one loses what he wrote, and nobody is told.",
    remedy="Hold If-Match against the present ETag in the same transaction as the change, and answer 412.",
)
def test_a_change_of_a_state_that_is_gone_is_refused(accounts, first_hole):
    documented = [each for each in accounts.writes() if is_conditional(each)]
    if not documented:
        pytest.skip("not applicable: the document describes no If-Match, 412 or 428 of a PUT or PATCH")
    hole = first_hole(updates_lost(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.used_twice",
    severity="high",
    source="OWASP API6:2023; CWE-362, CWE-367",
    subject="what may be done once",
    why="Requests at the same moment get several times what is meant for once: a coupon, a payment, a vote.",
    remedy="Hold and mark in one step: a unique index, or an update that names the state it expects.",
)
def test_what_may_be_done_once_is_done_once(accounts, first_hole):
    if not any(each.ours for each in accounts.accounts):
        pytest.skip("an account that may be spoilt is needed: add [auth.register]")
    hole = first_hole(used_twice(accounts))
    assert hole is None, str(hole)
