"""What lies open that was never meant for readers: files, folders, consoles, words of the inside, hashes.

All of it is read by plain GETs (and one TRACE, which RFC 9110, 9.2.1, calls safe as well), so it needs no leave.
"""

import uuid
from dataclasses import replace

import pytest

from harness.testing.api import Hole
from harness.testing.probes import (
    ERRORS,
    SECRETS,
    Exposed,
    find_consoles,
    find_files,
    find_leaks,
    find_listings,
    find_source_maps,
    local_path,
)

MALFORMED_BODIES = {"application/json": b'{"a": [', "application/x-www-form-urlencoded": b"%ff=%00&=&a[=1"}
SQL_FIELDS = {"sql", "sql_query", "sqlquery"}
USUAL_UPLOADS = ("/uploads/", "/files/", "/upload/", "/media/")
NO_PARTS = frozenset(("trace", "warning", "database"))
"""A page may name a file of its readers; an answer of success that holds one of these is broken."""


@pytest.fixture
def first_of(first_hole):
    """`first_of(exposed)`: the first thing that lies open; a skip where nothing does and not all could be asked."""

    def first(exposed):
        if not exposed.found and exposed.stopped:
            pytest.skip(f"not asked for all: {exposed.stopped}")
        return first_hole(
            Hole(operation=f"GET {one.path}", says=f"answered with {one.what}: {one.excerpt!r}", proof=(one.exchange,))
            for one in exposed.found
        )

    return first


def told(answers, kinds, says):
    """What answers of success tell of the inside, a hole each."""
    for one in answers:
        for leak in find_leaks(one.exchange.text, kinds):
            yield Hole(operation=f"GET {one.path}", says=says(leak), proof=(one.exchange,))


@pytest.fixture
def _shown(surface):
    """Where nothing is shown without a login nothing can lie open."""
    if surface.manner.needs_login:
        pytest.skip(surface.manner.login_line)


@pytest.mark.check(
    "disclosure.files",
    severity="critical",
    source="CWE-538; OWASP WSTG-CONF-04",
    subject="files that deployments leave",
    why="Settings, repositories, backups and keys open everything else to whoever reads them.",
    remedy="Serve a folder that holds what is public and nothing else; change every secret that was readable.",
)
@pytest.mark.usefixtures("_shown")
def test_no_file_of_the_deployment_is_served(asker, site, first_of):
    found = first_of(find_files(asker, site.folders, (one.path for one in site.shown)))
    assert found is None, str(found)


@pytest.mark.check(
    "disclosure.source_maps",
    severity="minor",
    source="CWE-540; OWASP WSTG-INFO-05",
    subject="source maps beside scripts",
    why="A source map holds the scripts as they were written, with comments and parts that no page uses.",
    remedy="Leave source maps out of the release, or serve them to your own people alone.",
)
@pytest.mark.usefixtures("_shown")
def test_no_script_shows_what_it_was_made_of(asker, site, stack_info, first_of):
    scripts = {
        path
        for page in site.pages
        for one in page.parts.resources
        if one.tag == "script" and (path := local_path(stack_info.url, one.url, page.path))
    }
    if not scripts:
        pytest.skip("not applicable: no page loads a script of this service")
    found = first_of(find_source_maps(asker, sorted(scripts)))
    assert found is None, str(found)


@pytest.mark.check(
    "disclosure.consoles",
    severity="high",
    source="CWE-215; OWASP WSTG-CONF-05",
    subject="consoles of frameworks and administrators",
    why="Profilers and consoles show memory, settings and requests of others, and some run code.",
    remedy="Switch them off in production, or let them listen on an address of operators alone.",
)
@pytest.mark.usefixtures("_shown")
def test_no_console_is_open(asker, site, first_of):
    takers = [
        Exposed(path=page.path, what="a form that takes SQL", excerpt=", ".join(form.names), exchange=page.exchange)
        for page in site.pages
        for form in page.parts.forms
        if form.method == "post" and not form.has_password and not SQL_FIELDS.isdisjoint(form.names)
    ]
    exposed = find_consoles(asker)
    found = first_of(replace(exposed, found=(*exposed.found, *takers)))
    assert found is None, str(found)


@pytest.fixture
def listings(_shown, asker, site, stack_info):
    """Folders whose files are listed: those that nobody links to, and those that a page leads its readers to."""
    exposed = find_listings(asker, site.folders)
    if not exposed.found:
        return exposed, exposed
    lists = {one.path for one in exposed.found}
    linked = {
        local_path(stack_info.url, link, page.path)
        for page in site.pages
        if page.path not in lists
        for link in page.parts.links
    }
    hidden, offered = (
        replace(exposed, found=tuple(one for one in exposed.found if (one.path in linked) is is_linked))
        for is_linked in (False, True)
    )
    return hidden, offered


@pytest.mark.check(
    "disclosure.listing",
    severity="high",
    source="CWE-548",
    subject="folders",
    why="A list of files shows what nobody links to: backups, drafts, uploads of others.",
    remedy="Switch listings off (nginx: autoindex off; Apache: Options -Indexes; Caddy: file_server without browse).",
)
def test_no_folder_is_listed(listings, first_of):
    found = first_of(listings[0])
    assert found is None, str(found)


@pytest.mark.check(
    "disclosure.listing_offered",
    severity="minor",
    source="CWE-548",
    subject="folders that pages link to",
    why="Whatever is put into the folder is shown to everybody, whether or not it was meant for readers.",
    remedy="See that nothing else gets into the folder, or link to its files from a page of your own.",
)
def test_no_page_leads_to_a_list_of_files(listings, first_of):
    found = first_of(listings[1])
    assert found is None, str(found)


@pytest.mark.check(
    "disclosure.writable",
    severity="critical",
    source="RFC 9110, 9.3.4; OWASP WSTG-CONF-06",
    subject="PUT of a file",
    why="Whoever can store a file here can change what all others are shown, or have it run.",
    remedy="Ask for a login before PUT, DELETE and the methods of WebDAV, or switch them off.",
)
@pytest.mark.writes
@pytest.mark.usefixtures("_shown")
def test_nobody_stores_a_file_without_a_login(client, site, first_hole):
    def stored():
        for folder in dict.fromkeys(["/", *USUAL_UPLOADS, *site.folders[:4]]):
            path, mark = f"{folder}harness-{uuid.uuid4().hex}.txt", uuid.uuid4().hex
            put = client.exchange("PUT", path, content=mark.encode(), headers={"Content-Type": "text/plain"})
            if put.status < 300 and mark in client.exchange("GET", path).text:
                removed = client.exchange("DELETE", path).status < 300
                end = "was removed by DELETE" if removed else "could not be removed again"
                says = f"stores what anybody sends: it answered {put.status}, and the file {end}"
                yield Hole(operation=f"PUT {folder}…", says=says, proof=(put,))

    found = first_hole(stored())
    assert found is None, str(found)


@pytest.mark.check(
    "disclosure.error_texts",
    severity="high",
    source="CWE-209",
    subject="answers of success",
    why="Traces and warnings in a page tell what runs here, and that it is broken.",
    remedy="Switch the display of errors off (PHP: display_errors=Off; debug modes), and mend what is complained of.",
)
def test_no_page_holds_words_of_the_inside(site, first_hole):
    if not site.shown:
        pytest.skip("not applicable: nothing answers a plain GET with success")
    found = first_hole(told(site.shown, NO_PARTS, lambda leak: f"answered with success, and with {leak}"))
    assert found is None, str(found)


@pytest.mark.check(
    "disclosure.secrets",
    severity="critical",
    source="CWE-200; OWASP API3:2023",
    subject="answers without a login",
    why="A hash of a password can be guessed offline, a key can be used as it stands.",
    remedy="Name the members that an answer has, instead of sending a whole record.",
)
def test_no_answer_holds_a_hash_or_a_key(site, first_hole):
    if not site.shown:
        pytest.skip("not applicable: nothing answers a plain GET with success")
    found = first_hole(
        told(site.shown, SECRETS, lambda leak: f"answered everybody with {leak.what}: {leak.excerpt[:24].rstrip('…')}…")
    )
    assert found is None, str(found)


@pytest.mark.check(
    "disclosure.trace",
    source="RFC 9110, 9.3.8; OWASP WSTG-CONF-06",
    subject="TRACE /",
    why="TRACE sends a request back with all its headers, those that a proxy added among them.",
    remedy="Refuse TRACE with 405 (Apache: TraceEnable off).",
)
@pytest.mark.usefixtures("_shown")
def test_trace_is_refused(client):
    mark = uuid.uuid4().hex
    answer = client.exchange("TRACE", "/", headers={"X-Harness-Trace": mark})
    echoed = answer.status < 300 and mark in answer.text
    assert not echoed, f"TRACE / answered {answer.status} with the request's own headers: X-Harness-Trace came back"


@pytest.mark.check(
    "disclosure.malformed_body",
    severity="high",
    source="CWE-209; CWE-20",
    subject="POST with a malformed body",
    why="A body that cannot be read is the first thing that an attacker sends.",
    remedy="Answer 400 to a body that cannot be parsed, with a text of your own.",
)
@pytest.mark.writes
def test_a_malformed_body_is_the_clients_error(client, targets_of_posts, first_hole):
    if not targets_of_posts:
        pytest.skip("not applicable: neither a form nor a document names a path that takes a POST")

    def broken():
        for path in targets_of_posts:
            for kind, body in MALFORMED_BODIES.items():
                answer = client.exchange("POST", path, content=body, headers={"Content-Type": kind})
                leaks = find_leaks(answer.text, ERRORS)
                if leaks or (answer.status >= 500 and answer.status != 501):
                    said = f"{answer.status}{' with ' if leaks else ''}{'; '.join(map(str, leaks))}"
                    yield Hole(
                        operation=f"POST {path}", says=f"answered a body that is no {kind} {said}", proof=(answer,)
                    )
                    break

    found = first_hole(broken())
    assert found is None, str(found)
