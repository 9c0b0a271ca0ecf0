"""What comes back of what a reader wrote: as script, as a place to go to, as an error of the database.

Words with quotes and brackets, and addresses of names that nobody can own, are sent by GET alone: see
`harness.probes.inputs` for why these are reads.
"""

import pytest

from harness.testing.api import Hole
from harness.testing.probes import find_leaks


@pytest.fixture
def first_of(asker, first_hole):
    """`first_of(tried, holes)`: the first hole; a skip where nothing was tried.

    What was sent once for all tests is no exchange of this one: a page is asked for again, on which it rests.
    """

    def first(tried, holes):
        if not tried.tried:
            pytest.skip(f"not applicable: {tried.stopped or 'no path takes input in its query'}")
        pages = [one for one in tried.tried if "html" in (one.exchange.header("Content-Type") or "")]
        asker("GET", [*pages, *tried.tried][0].path)
        return first_hole(holes)

    return first


def hole(one, says):
    """What is open by one parameter, or by whatever is asked for below a folder."""
    path, query, _ = one.path.partition("?")
    where = f"GET {path if query else path.rpartition('/')[0] + '/…'}"
    return Hole(operation=where, parameter=one.where, says=says, proof=(one.exchange,))


def new_leaks(tried, site):
    """What an answer tells of the inside that the same path does not tell to everybody, which is another finding."""
    bare = tried.path.partition("?")[0]
    same = [one.exchange.text for one in site.answers if one.path.partition("?")[0] == bare]
    known = {leak.what for text in same for leak in find_leaks(text)}
    return [leak for leak in tried.leaks if leak.what not in known]


@pytest.mark.check(
    "input.reflected_script",
    severity="critical",
    source="CWE-79",
    subject="parameters of queries",
    why="A link can make a visitor's browser run a stranger's script as this site.",
    remedy="Escape for the place it is written to: use templates that escape by themselves.",
)
def test_a_word_in_a_query_comes_back_inert(words, first_of):
    found = first_of(
        words,
        (
            hole(one, f"writes {one.where} into its page unescaped, as {one.injected}")
            for one in words.tried
            if one.where != "the path" and one.injected
        ),
    )
    assert found is None, str(found)


@pytest.mark.check(
    "input.reflected_path",
    severity="critical",
    source="CWE-79; CWE-81",
    subject="paths and error pages",
    why="A link to a page that is not there can make a visitor's browser run a stranger's script as this site.",
    remedy="Escape the path before an error page repeats it, or do not repeat it.",
)
def test_a_path_comes_back_inert(words, first_of):
    found = first_of(
        words,
        (
            hole(one, f"answered {one.exchange.status} and writes the path into its page unescaped, as {one.injected}")
            for one in words.tried
            if one.where == "the path" and one.injected
        ),
    )
    assert found is None, str(found)


@pytest.mark.check(
    "input.database",
    severity="critical",
    source="CWE-89; CWE-209",
    subject="parameters and paths",
    why="A quote that reaches the database as it is can carry a query of an attacker's own.",
    remedy="Pass values as parameters of a prepared statement, never as part of its text.",
)
def test_a_quote_does_not_reach_the_database(words, site, first_of):
    found = first_of(
        words,
        (
            hole(one, f"answered a quote in {one.where} with {one.exchange.status} and {leak}")
            for one in words.tried
            for leak in new_leaks(one, site)
            if leak.kind == "database"
        ),
    )
    assert found is None, str(found)


@pytest.mark.check(
    "input.unexpected",
    severity="high",
    source="CWE-20; CWE-209",
    subject="parameters and paths",
    why="Input that is not checked fails deep inside, where it can be used.",
    remedy="Check parameters before they are used; answer 400, 404 or 422, with a text of your own.",
)
def test_a_word_with_quotes_is_no_error_of_the_server(words, site, first_of):
    found = first_of(words, (hole(one, says) for one in words.tried if (says := unexpected(one, new_leaks(one, site)))))
    assert found is None, str(found)


def unexpected(one, leaks):
    """What an answer to words with quotes and brackets says of a failure; "" for none, or for one of the database."""
    # a path that is sent as it stands is no URI, which a server may fail to read before the service sees it
    failed = one.exchange.status >= 500 and '"' not in one.path
    if any(leak.kind == "database" for leak in leaks) or not (leaks or failed):
        return ""
    told = f" with {leaks[0]}" if leaks else ""
    return f"answered quotes and brackets in {one.where} with {one.exchange.status}{told}"


@pytest.mark.check(
    "input.redirect",
    severity="high",
    source="CWE-601",
    subject="parameters of queries",
    why="A link to this site that ends at a stranger's lends the stranger its name.",
    remedy="Redirect to paths of your own, or to addresses of a list; refuse `//host` and backslashes too.",
)
def test_no_parameter_sends_a_reader_elsewhere(places, first_of):
    found = first_of(
        places,
        (
            hole(one, f"lets {one.where} decide to which site a reader is sent")
            for one in places.tried
            if one.leads_away
        ),
    )
    assert found is None, str(found)


@pytest.mark.check(
    "input.host",
    source="RFC 9110, 7.2; CWE-644",
    subject="GET {path}",
    why="Links that follow the request's Host lead to a stranger's site from mails and caches.",
    remedy="Write links from a configured address, or relative ones; answer a Host that is not yours with 421 or 400.",
)
def test_a_forged_host_is_not_repeated(client, path):
    # with a query that no cache knows: what a stranger's name is written into must not stay for others
    separator = "&" if "?" in path else "?"
    asked = f"{path}{separator}harness=host"
    answer = client.exchange("GET", asked, headers={"Host": "stranger.example"})
    assert "stranger.example" not in answer.text, (
        f"GET {path} with Host: stranger.example writes that host into its body"
    )
    location = answer.header("Location") or ""
    assert "stranger.example" not in location, f"GET {path} with Host: stranger.example redirects to {location}"
