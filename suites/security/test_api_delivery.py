"""What becomes of an answer on its way, and of a number or a file that was sent (OWASP API 4, 6 and 8)."""

import pytest

from harness.testing.api import (
    amounts_below_zero,
    answers_cached,
    answers_queries,
    endless_queries,
    files_taken,
    graph_of,
    links_elsewhere,
    odd_numbers,
    origins_let_in,
    schemas_told,
    writes_by_strangers,
)

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture
def graph(met):
    """Where the service answers GraphQL, which no document need say."""
    found = graph_of(met)
    if not found:
        pytest.skip("not applicable: the service answers no GraphQL at the usual paths")
    return found


@pytest.mark.check(
    "holes.answers_cached",
    severity="high",
    source="RFC 9111, 3.5, 5.2.2; CWE-524",
    subject="reads behind a login",
    why="A cache on the way gives one account's answer to the next one who asks.",
    remedy="Send Cache-Control: no-store, or private, with what is an account's own.",
)
def test_no_cache_keeps_what_is_an_accounts_own(accounts, first_hole):
    hole = first_hole(answers_cached(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.origins",
    severity="high",
    source="Fetch Standard, 3.3; CWE-942",
    subject="reads behind a login",
    why="A page of any other origin reads what is an account's own.",
    remedy="Name the origins that may read in a list; never repeat the request's own, nor `null`.",
)
def test_no_strange_origin_reads_what_is_an_accounts_own(accounts, first_hole):
    hole = first_hole(origins_let_in(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.links",
    severity="high",
    source="CWE-644; OWASP Forgot Password Cheat Sheet",
    subject="links for accounts",
    why="A link for a new password leads its owner, and the code in it, to a stranger's host.",
    remedy="Make links of the address in the settings, not of the request.",
)
def test_no_request_names_the_host_of_a_link(api, first_hole):
    hole = first_hole(links_elsewhere(api))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.files_taken",
    severity="high",
    source="CWE-434, CWE-22; OWASP File Upload Cheat Sheet",
    subject="files that are handed in",
    why="A file lies where it overwrites others, or is a page of the service with a script in it.",
    remedy="Name files yourself, hold their kind against a list, and give them as an attachment.",
)
def test_a_file_is_kept_as_data(accounts, first_hole):
    if not any(body.media_type == "multipart/form-data" for each in accounts.operations for body in each.inputs.bodies):
        pytest.skip("not applicable: the document describes nothing that takes a file")
    hole = first_hole(files_taken(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.cross_site_writes",
    severity="high",
    source="CWE-352; OWASP CSRF Cheat Sheet",
    subject="writes by a cookie",
    why="A page of another origin writes in the name of whoever visits it.",
    remedy="Set SameSite on the session's cookie, and take JSON alone, or a token of the form.",
)
def test_no_page_of_another_origin_writes(accounts, first_hole):
    if not accounts.asker.cookies:
        pytest.skip("not applicable: the login gives no cookie")
    hole = first_hole(writes_by_strangers(accounts))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.check(
    "holes.odd_numbers",
    severity="normal",
    source="CWE-20; OWASP API4:2023",
    subject="numbers and sizes of pages",
    why="A number that nobody expected makes the service fail, or gives all there is.",
    remedy="Hold such numbers against their bounds before they are used, and answer 400 or 422.",
)
def test_an_odd_number_of_a_page_is_refused_or_mended(api, first_hole):
    hole = first_hole(odd_numbers(api))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.writes
@pytest.mark.check(
    "holes.amounts",
    severity="high",
    source="OWASP API6:2023; CWE-840",
    subject="amounts and quantities",
    why="An amount below zero turns a payment round.",
    remedy="Refuse amounts below their least at the service.",
)
def test_no_amount_below_zero_is_taken(accounts, first_hole):
    hole = first_hole(amounts_below_zero(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.graph_told",
    severity="minor",
    source="OWASP GraphQL Cheat Sheet; CWE-200",
    subject="introspection",
    why="Whoever asks gets the list of all there is to try, what only those who run the service use too.",
    remedy="Turn introspection off for who is not logged in, if the API is not meant for everybody.",
)
def test_introspection_is_not_for_everybody(met, graph, first_hole):
    hole = first_hole(schemas_told(met, graph))
    assert hole is None, str(hole)


@pytest.mark.attacks
@pytest.mark.check(
    "holes.graph_limits",
    severity="normal",
    source="OWASP API4:2023; OWASP GraphQL Cheat Sheet; CWE-770",
    subject="queries",
    why="One request asks for as much as it likes: it keeps the service busy, or tries a thousand passwords at once.",
    remedy="Limit the fields, the depth and the queries of one request, by their cost.",
)
def test_one_query_asks_for_a_bounded_amount(met, graph, first_hole):
    if not answers_queries(met, graph):
        pytest.skip("no account is let in: without one no query is answered, however small it is")
    hole = first_hole(endless_queries(met, graph))
    assert hole is None, str(hole)
