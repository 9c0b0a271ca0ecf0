"""What a client sends is data, in every parameter, header and member: proved by effect (OWASP API 8, 10; CWE-74)."""

import pytest

from harness.testing.api import (
    command_injections,
    endless_pages,
    files_read,
    header_injections,
    listening,
    markup_injections,
    open_redirects,
    requests_elsewhere,
    sites,
    slow_texts,
    sql_injections,
    template_injections,
)

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240), pytest.mark.attacks, pytest.mark.writes]


@pytest.fixture
def places(api):
    """Where free text gets into the service."""
    found = sites(api)
    if not found:
        pytest.skip("not applicable: no operation that works takes free text")
    return found


@pytest.mark.check(
    "holes.sql",
    severity="critical",
    source="CWE-89, CWE-943; OWASP ASVS 5, V1.2",
    subject="every place for text",
    why="Whoever asks reads, and often changes, the whole database.",
    remedy="Hand values to the database as parameters, and names of columns from a list.",
)
def test_no_text_becomes_part_of_a_query(api, places, first_hole):
    hole = first_hole(sql_injections(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.templates",
    severity="critical",
    source="CWE-1336",
    subject="every place for text",
    why="Whoever asks runs code in the service.",
    remedy="Hand values to a template, never make the template from them.",
)
def test_no_text_is_rendered_as_a_template(api, places, first_hole):
    hole = first_hole(template_injections(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.commands",
    severity="critical",
    source="CWE-78, CWE-95",
    subject="every place for text",
    why="Whoever asks runs programs on the service's machine.",
    remedy="Start programs by a list of words without a shell, and evaluate no text.",
)
def test_no_text_is_run(api, places, first_hole):
    hole = first_hole(command_injections(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.files",
    severity="critical",
    source="CWE-22, CWE-611",
    subject="every place for text",
    why="Whoever asks reads files of the service's machine: settings, keys, sources.",
    remedy="Look names up in a list, or hold the resolved path against its folder; resolve no entities of XML.",
)
def test_no_text_names_a_file(api, places, first_hole):
    hole = first_hole(files_read(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.requests_elsewhere",
    severity="high",
    source="OWASP API7:2023; CWE-918",
    subject="every place for text",
    why="Whoever asks reaches hosts that only the service reaches: databases, metadata of the cloud.",
    remedy="Ask only hosts of a list, and hold the address that a name means against private networks.",
)
def test_no_text_leads_the_service_to_another_host(api, places, first_hole):
    with listening() as listener:
        hole = first_hole(requests_elsewhere(api, places, listener))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.redirects",
    severity="normal",
    source="CWE-601",
    subject="every place for text",
    why="A link to the service leads to a stranger's page.",
    remedy="Redirect to paths of the service alone, or to hosts of a list.",
)
def test_no_text_redirects_to_another_host(api, places, first_hole):
    hole = first_hole(open_redirects(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.response_headers",
    severity="high",
    source="CWE-113",
    subject="every place for text",
    why="Whoever makes a link sets cookies and headers of the answer.",
    remedy="Refuse line ends in what becomes a header.",
)
def test_no_text_makes_a_header(api, places, first_hole):
    hole = first_hole(header_injections(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.markup",
    severity="high",
    source="CWE-79",
    subject="every place for text",
    why="Whoever makes a link runs scripts in the page of whoever follows it.",
    remedy="Escape what becomes a part of a page, or answer JSON as application/json.",
)
def test_no_text_becomes_markup(api, places, first_hole):
    hole = first_hole(markup_injections(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.slow_texts",
    severity="high",
    source="OWASP API4:2023; CWE-1333",
    subject="every place for text",
    why="One request of a few bytes keeps the service busy.",
    remedy="Bound the text's length before it is matched, and use patterns without nested repetitions.",
)
def test_no_text_keeps_the_service_busy(api, places, first_hole):
    hole = first_hole(slow_texts(api, places))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.page_limit",
    severity="normal",
    source="OWASP API4:2023; CWE-770",
    subject="listings",
    why="One request asks for all there is.",
    remedy="Cap the number of items that a request may ask for.",
)
def test_a_listing_gives_a_bounded_number_of_items(api, first_hole):
    hole = first_hole(endless_pages(api))
    assert hole is None, str(hole)
