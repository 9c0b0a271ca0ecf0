"""Pages in a real browser, and what their markup asks of readers."""

from urllib.parse import urlsplit

import pytest

from harness.testing import Complaint, UnfitAnswer, is_loopback
from harness.testing.probes import origin_of


@pytest.fixture
def look(visit):
    """Opens a page as `visit` does; one that does not become a document is told by page.loads, and by nothing else."""

    def open_page(path):
        try:
            return shown(visit(path), path)
        except UnfitAnswer as error:
            pytest.skip(f"not tried, as page.loads says: {error}")

    return open_page


def shown(answer, path):
    """The answer, where it is the page's and not a limiter's."""
    if answer.status == 429:
        pytest.skip(f"not tried: GET {path} was answered 429 in a browser, by a limiter of requests")
    return answer


@pytest.mark.check(
    "page.loads",
    severity="critical",
    source="the profile's [pages]",
    subject="{page_path}",
    why="A page that does not load, or whose scripts fail, is of no use to its readers.",
    remedy="Open the page with the browser's console, and mend what it complains of.",
)
def test_page_loads_without_a_problem(visit, page, page_problems, page_path, target):
    answer = shown(visit(page_path), page_path)
    assert answer.status == 200, f"GET {page_path} answered {answer.status} in a browser, and not 200"
    if page_path in target.pages.roles:
        at = urlsplit(page.url).path
        assert not at.endswith(target.pages.login.path), f"GET {page_path}, logged in, leads to the login at {at}"
    problems = page_problems.grave
    assert not problems, f"GET {page_path} loads with problems: {'; '.join(problems[:10])}"


@pytest.mark.check(
    "page.parts",
    severity="normal",
    source="the profile's [pages]",
    subject="{page_path}",
    why="Readers see a gap where a picture or a film should be, and scripts go without what they asked for.",
    remedy="Serve what is missing, or take it out of the page.",
)
def test_what_the_page_asks_for_is_there(look, page_problems, page_path):
    look(page_path)
    missing = page_problems.missing_parts
    assert not missing, f"GET {page_path} asks for what is not there: {'; '.join(missing[:10])}"


@pytest.mark.check(
    "page.document",
    source="WCAG 2.2, 2.4.2 and 3.1.1",
    subject="{page_path}",
    why="Screen readers say the title first, and read by the rules of the language.",
    remedy="Give the page a <title>, and <html> the attribute lang.",
)
def test_page_has_a_title_and_a_language(look, page, page_path):
    look(page_path)
    assert page.title().strip(), f"the page {page_path} has no <title>"
    assert page.locator("html").get_attribute("lang"), f"the page {page_path} does not say its language: <html lang=…>"


def broken_rules(found, *, of):
    """What axe-core found of some rules, as one line a rule."""
    return [f"{one.what} ({one.rule}: {', '.join(one.places[:3])})" for one in found if one.rule in of]


STRUCTURE = ("page-has-heading-one", "empty-heading", "heading-order")
"""axe-core's rules of headings: best practice, which WCAG does not ask for."""
NAMES = (
    *("aria-command-name", "aria-input-field-name", "aria-toggle-field-name", "area-alt", "button-name", "image-alt"),
    *("input-button-name", "input-image-alt", "label", "link-name", "role-img-alt", "select-name", "svg-img-alt"),
)
"""axe-core's rules that whatever can be used has a name."""
NO_ZOOM = ("meta-viewport",)
"""Its rule of WCAG 1.4.4 (AA), which it calls moderate: a page that forbids to enlarge its text."""


@pytest.mark.check(
    "page.structure",
    severity="minor",
    source="axe-core's best practices",
    subject="{page_path}",
    why="Readers who cannot see a page find their way by its headings.",
    remedy="Begin what the page is for with an <h1>, and skip no level below it.",
)
def test_page_has_a_heading(look, page, page_path, axe):
    look(page_path)
    broken = broken_rules(axe(page), of=STRUCTURE)
    assert not broken, f"the page {page_path}: {'; '.join(broken)}"


@pytest.mark.check(
    "page.names",
    severity="normal",
    source="WCAG 2.2, 1.1.1 and 4.1.2, by axe-core",
    subject="{page_path}",
    why="A field or a button without a name cannot be used by voice or by a screen reader.",
    remedy="Give it a <label>, a text, an alt or an aria-label.",
)
def test_everything_usable_has_a_name(look, page, page_path, axe):
    look(page_path)
    broken = broken_rules(axe(page), of=NAMES)
    assert not broken, f"the page {page_path}: {'; '.join(broken)}"


@pytest.mark.check(
    "page.accessible",
    severity="normal",
    source="WCAG 2.2, by axe-core",
    subject="{page_path}",
    why="Some readers cannot use the page at all.",
    remedy="Follow the rule that axe-core names.",
)
def test_no_serious_violation_is_found(look, page, page_path, axe):
    look(page_path)
    # names, title and language have checks of their own
    others = (*NAMES, "document-title", "html-has-lang")
    found = [one for one in axe(page) if one.rule not in others]
    serious = [one for one in found if one.impact in ("serious", "critical") or one.rule in NO_ZOOM]
    broken = [f"{one.what} ({one.rule}, {one.impact}: {', '.join(one.places[:3])})" for one in serious]
    assert not broken, f"the page {page_path}: {'; '.join(broken)}"


@pytest.mark.check(
    "page.no_foreign_requests",
    source="GDPR, art. 25; CSP3",
    subject="{page_path}",
    why="Each other machine that a page asks learns who reads it, and can change what they see.",
    remedy="Serve what the page needs from its own address.",
)
def test_page_asks_no_other_machine(look, page, page_path, stack_info):
    asked, refused = [], []
    page.on("request", lambda sent: asked.append(sent.url))
    # what the page's own policy refuses is not sent
    page.on("requestfailed", lambda sent: refused.append(sent.url) if sent.failure == "csp" else None)
    look(page_path)
    assert asked, f"the browser sent no request for {page_path}"
    own, sent = origin_of(stack_info.url), [url for url in asked if url not in refused]
    foreign = [url for url in sent if origin_of(url) != own and not url.startswith(("data:", "blob:"))]
    assert not foreign, f"the page {page_path} asks other machines: {', '.join(dict.fromkeys(foreign))[:400]}"


@pytest.fixture
def html_pages(site):
    """Pages that the walk saw."""
    if not site.pages:
        pytest.skip("not applicable: no page of HTML is shown to everybody")
    return site.pages


def listed(what, found):
    """One sentence of all that was found, as (text, exchange), with the request that shows the first."""
    texts = dict.fromkeys(text for text, _ in found)
    return Complaint(sentence=f"{what}: {'; '.join(texts)}", exchange=found[0][1])


@pytest.mark.check(
    "page.forms",
    severity="high",
    source="CWE-598; CWE-319; OWASP ASVS 5, V14.2",
    subject="forms",
    why="A password in a URL stays in histories and logs; one sent without TLS is read on the way.",
    remedy='Say method="post" on the form, and an https or relative address in its action.',
)
def test_no_form_gives_away_what_is_typed(html_pages):
    found = []
    for page in html_pages:
        for form in page.parts.forms:
            # without a method, an address or a script the browser itself sends the form, by GET
            by_browser = form.says_method or form.action or not page.parts.scripts
            if form.has_password and form.method == "get" and by_browser:
                found.append((f"the form on {page.path} sends its password by GET, in the URL", page.exchange))
            if origin_of(form.action or "")[0] == "http" and not is_loopback(form.action):
                names = ", ".join(form.names) or "its fields"
                found.append((f"the form on {page.path} sends {names} to {form.action}", page.exchange))
    assert not found, listed("forms give away what is typed into them", found)


@pytest.mark.check(
    "page.integrity",
    source="W3C Subresource Integrity; OWASP ASVS 5, V3.6",
    subject="scripts and styles of other hosts",
    why="Whoever changes the file on the other host changes this page.",
    remedy='Add integrity="sha384-…" and crossorigin="anonymous", or serve the file yourself.',
)
def test_foreign_scripts_are_pinned(html_pages, stack_info):
    own = origin_of(stack_info.url)
    found = [
        (f"<{one.tag}> on {page.path} loads {one.url} without integrity", page.exchange)
        for page in html_pages
        for one in page.parts.resources
        if not one.integrity and one.url.startswith(("http://", "https://", "//")) and is_foreign(one.url, own)
    ]
    assert not found, listed("pages run what others may change", found)


def is_foreign(url, own):
    """Whether an absolute URL leads to another origin than `own`."""
    return origin_of(url if not url.startswith("//") else f"{own[0]}:{url}") != own


@pytest.mark.check(
    "page.links",
    severity="minor",
    source="RFC 9110, 15.5.5",
    subject="links",
    why="A reader who follows such a link is lost.",
    remedy="Mend or remove the link, or redirect the path to where its content went.",
)
@pytest.mark.usefixtures("html_pages")
def test_no_link_is_dead(site):
    found = [
        (f"{one.found_on} links to {one.path}, which answers {one.exchange.status}", one.exchange) for one in site.dead
    ]
    assert not found, listed("links lead nowhere", found)
