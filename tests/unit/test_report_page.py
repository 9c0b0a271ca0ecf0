"""The readiness page, read as a browser's parser reads it."""

import json
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.model import Invocation, Outcome
from harness.report.html.facts import repeat_commands
from harness.report.html.page import write_page
from harness.report.sources import read_run
from tests import report_runs
from tests.report_lines import PATHS, measured_line, seen

_VOID = {"meta", "br", "img", "input", "link", "hr", "base", "embed", "source", "track", "col", "area", "wbr"}


class Page(HTMLParser):
    """Elements with their attributes, and the text of each heading."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: dict[str, list[str]] = {"h1": [], "h2": [], "title": []}
        self.text: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if self.open and self.open[-1] in self.words and data.strip():
            self.words[self.open[-1]].append(data.strip())
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def prose(self):
        return " ".join(" ".join(self.text).split())


def page_of(tmp_path, scenario, **how):
    run = report_runs.write_run(tmp_path, scenario, **how)
    return Page(write_page(read_run(run), ["Allure report not built: Node is missing"]))


SCENARIOS = ["go", "no_go", "inconclusive", "hostile"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_page_stands_alone_and_is_well_formed(tmp_path, name):
    page = page_of(tmp_path, getattr(report_runs, name)())
    assert page.open == []
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "image"} & {tag for tag, _ in page.elements}
    assert page.attributes("src") == page.attributes("srcset") == page.attributes("style") == []
    assert "url(" not in page.source
    assert "@import" not in page.source
    loaded = [attributes.get("href") for tag, attributes in page.elements if tag == "use"]
    assert loaded
    assert all(href.startswith("#i-") for href in loaded)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_link_leads_somewhere_and_every_anchor_is_one(tmp_path, name):
    page = page_of(tmp_path, getattr(report_runs, name)())
    anchors = page.attributes("id")
    assert len(anchors) == len(set(anchors))
    run = next((tmp_path / "runs").iterdir())
    for tag, attributes in page.elements:
        href = attributes.get("href")
        if tag == "use" or href is None:
            continue
        if href.startswith("#"):
            assert href[1:] in anchors
        elif href.startswith("../"):
            assert (run / "report" / href).exists()
        else:
            assert href == "https://tracker.example/DEAL-482"


def test_hostile_evidence_stays_text(tmp_path):
    page = page_of(tmp_path, report_runs.hostile())
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("script"), tags.count("style"), tags.count("head")) == (1, 1, 1)
    assert len([name for name in page.words["title"] if "dealradar, policy" in name]) == 1
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not [href for href in page.attributes("href") if "script" in href or "passwd" in href or "evil" in href]
    assert "document.title='owned'" in page.prose
    assert "{{ 7 * 7 }}" in page.prose
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.source)
    assert len(page.source) < 1_000_000, "a text of 200,000 letters was not cut"


def test_a_content_policy_allows_the_page_its_own_style_and_script_alone(tmp_path):
    page = page_of(tmp_path, report_runs.go())
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("name", "word", "why"),
    [
        ("go", "GO", "All 15 required criteria are proven."),
        ("no_go", "NO-GO", "2 of 15 required criteria fail: security.headers, ratelimit."),
        ("inconclusive", "INCONCLUSIVE", "4 of 15 required criteria could not be ruled on"),
    ],
)
def test_the_verdict_comes_first_then_what_is_not_proven(tmp_path, name, word, why):
    page = page_of(tmp_path, getattr(report_runs, name)())
    assert page.words["h1"] == [word]
    assert why in page.prose
    assert page.words["h2"][:4] == [
        "What was found",
        "What is not proven",
        "What was waived, and by whom",
        "Every criterion",
    ]
    assert "It never overrules the verdict." in page.prose
    assert "Allure report not built: Node is missing" in page.prose


def test_status_words_are_those_of_the_verdict_whatever_the_evidence_says(tmp_path):
    run = report_runs.write_run(tmp_path, report_runs.no_go())
    document = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    document["verdict"] = "GO"
    for criterion in document["criteria"]:
        criterion["status"] = "pass"
    (run / "verdict.json").write_text(json.dumps(document), encoding="utf-8")
    page = Page(write_page(read_run(run)))
    assert page.words["h1"] == ["GO"]
    assert "All 15 required criteria are proven." in page.prose
    assert "Every criterion of the policy is proven." in page.prose


@pytest.mark.parametrize(
    ("state", "kind", "says"),
    [
        ("running", "gate", "it still goes on, or it was killed before it was judged"),
        ("interrupted", "gate", "The run was interrupted before it was judged"),
        ("finished", "gate", "The run ended but was never judged"),
        ("finished", "load", "A run of kind 'load' measures and is not judged"),
    ],
)
def test_a_run_without_a_verdict_says_so(tmp_path, state, kind, says):
    page = page_of(tmp_path, report_runs.go(), judged=False, state=state, kind=kind)
    assert page.words["h1"] == ["NO VERDICT"]
    assert says in page.prose
    assert "Without a verdict nothing counts as proven." in page.prose
    assert "The run is not sealed" in page.prose


def test_what_nobody_asked_about_is_listed(tmp_path):
    page = page_of(tmp_path, report_runs.no_go())
    assert "suites/e2e/test_search.py::test_ranking" in page.prose
    uncovered = page.prose.partition("asked for by no criterion")[2].partition("What was waived")[0]
    assert "search.umlauts e2e 1 pass" in uncovered
    assert "headers.hsts" not in uncovered
    assert "the stack has no mail server" in page.prose
    assert "1 collected tests left no evidence" in page.prose


def test_a_measured_criterion_is_drawn_against_its_limit(tmp_path):
    page = page_of(tmp_path, report_runs.no_go())
    assert "interval 225 to 325, demanded <= 300 ms" in page.prose
    assert page.source.count('class="interval"') == 4
    assert page.source.count('class="latency"') == 2
    assert page.source.count('class="ratio"') == 4
    assert "3.3 to 3.8 times as fast with the cache" in page.prose


def test_the_judges_words_stand_apart_from_the_first_failures_own(tmp_path):
    message = "never refused: 330 of 330 served"
    words = "assert None is not None"
    failed = seen("security", "ratelimit.refused", "GET /api/deals", Outcome.FAIL, message=message, pytest_words=words)
    scenario = replace(report_runs.go(), observations=(*report_runs.go().observations, failed))
    page = page_of(tmp_path, scenario)
    start = page.source.index('<article class="open fail">')
    card = page.source[start : page.source.index("</article>", start)]
    assert '<p class="reason">1 of 4 failed: ratelimit.refused on GET /api/deals.</p>' in card
    assert '<p class="said"><a href="#f1">never refused: 330 of 330 served</a></p>' in card
    assert words not in page.source


def test_one_cause_is_one_card_with_why_remedy_request_and_all_its_places(tmp_path):
    lines = [
        seen(
            "security",
            "headers.nosniff",
            f"GET {path}",
            Outcome.FAIL,
            message=f"GET {path} answered 200 without X-Content-Type-Options: nosniff",
            cause="GET {place} answered 200 without X-Content-Type-Options: nosniff",
            severity="high",
            source="Fetch, 3.6",
            why="A browser that guesses may run a text as a script.",
            remedy="Send `X-Content-Type-Options: nosniff` with every answer.",
            curl=[f"curl -sS -i http://127.0.0.1:8011{path}"],
        )
        for path in PATHS
    ]
    page = page_of(tmp_path, report_runs.scenario(*lines))
    assert page.source.count('<article class="open finding fail"') == 1
    card = page.source[page.source.index('<article class="open finding') :].partition("</article>")[0]
    for words in (
        "GET / answered 200 without X-Content-Type-Options: nosniff",
        "A browser that guesses may run a text as a script.",
        "Send <code>X-Content-Type-Options: nosniff</code> with every answer.",
        "Fetch, 3.6",
        "<pre>curl -sS -i http://127.0.0.1:8011/</pre>",
        "6 places",
        *(f'<a href="#e{seq}">GET {escape(path)}</a>' for seq, path in enumerate(PATHS, 1)),
    ):
        assert words in card


def test_all_that_an_instrument_found_is_on_the_page_even_of_a_pass(tmp_path):
    listed = [f"link-name (serious): Links must have a name: #link{at}" for at in range(40)]
    line = seen("e2e", "page.accessible", "/", listed=listed, artifacts=("artifacts/here.txt",))
    page = page_of(tmp_path, report_runs.scenario(line))
    assert "All that was found there: 40 lines" in page.prose
    assert [text for text in listed if text not in page.prose] == []
    assert "../artifacts/here.txt" in page.attributes("href")


def test_what_could_not_be_tried_stands_apart(tmp_path):
    line = seen("security", "headers.nosniff", "GET /", Outcome.ERROR, message="RuntimeError: the fixture broke")
    page = page_of(tmp_path, report_runs.scenario(line))
    assert "Could not be tried" in page.prose
    assert "the fixture broke" in page.prose


def test_the_commands_name_the_run_in_full_and_take_settings_from_the_environment(tmp_path):
    command = ("harness", "run", "checks", "--target", "/a b/shop.toml", "--", "-k", "one or two")
    run = read_run(report_runs.write_run(tmp_path, report_runs.no_go()))
    facts = replace(run.facts, invocation=Invocation(command=command))
    told = dict(repeat_commands(replace(run, facts=facts)))
    again = told["The whole run again"]
    assert again == (
        "harness run checks --target '/a b/shop.toml' --env RATE_LIMIT_PER_MINUTE=\"$RATE_LIMIT_PER_MINUTE\""
        " -- -k 'one or two'"
    )
    assert told["The ruling again, from this evidence"] == f"harness judge {run.path.resolve()}"


def test_a_waived_ruling_keeps_its_words_together(tmp_path):
    page = page_of(tmp_path, report_runs.no_go())
    assert "(else inconclusive: 1 flaky, 0 tolerated: cors.foreign on GET /api/deals. First: failed once" in page.prose


def test_preflight_keeps_its_own_score(tmp_path):
    page = page_of(tmp_path, report_runs.go())
    assert "System Readiness Score 85.7 of 100 6 of 7 checks passed; not: smtp (skip)" in page.prose
    assert "Proven share 100 %" in page.prose


@pytest.mark.parametrize("part", ["table", "tr", "th", "td", "thead", "tbody"])
def test_tables_that_a_phone_shows_as_blocks_keep_their_roles(tmp_path, part):
    page = page_of(tmp_path, report_runs.no_go())
    roles = [attributes.get("role") for tag, attributes in page.elements if tag == part]
    figures = page.source.split('<table class="figures">')[1].split("</table>")[0]
    assert roles.count(None) == (1 if part == "table" else len(re.findall(f"<{part}[ >]", figures)))
    assert len(roles) > 5


def test_damaged_evidence_is_told(tmp_path):
    run = report_runs.write_run(tmp_path, report_runs.go())
    lines = (run / "evidence.jsonl").read_bytes().split(b"\n")
    lines[3] = b'{"run": "\xff\xfe broken'
    (run / "evidence.jsonl").write_bytes(b"\n".join(lines))
    page = Page(write_page(read_run(run)))
    assert "The evidence is damaged." in page.prose
    assert "evidence line 4 cannot be read" in page.prose
    assert "The evidence is not what was judged." in page.prose


def test_thousands_of_lines_stay_in_bounds(tmp_path):
    page = page_of(tmp_path, report_runs.large(5_000))
    assert len(page.source) < 3_000_000
    checks = [attributes for _, attributes in page.elements if attributes.get("class") == "check"]
    stand_open = ["open" in attributes for attributes in checks]
    assert True in stand_open, "checks with failures stand open"
    assert False in stand_open, "checks without failures are folded"


def test_lines_beyond_the_bound_are_counted(tmp_path):
    scenario = report_runs.crowded(700)
    page = page_of(tmp_path, scenario)
    assert "450 more lines of this check stand in evidence.jsonl" in page.prose


def test_rollbacks_that_were_drilled_stand_with_their_steps_and_what_they_cost(tmp_path):
    scenario = report_runs.go()
    assert "Ways back that were walked" not in page_of(tmp_path / "none", scenario).prose

    def told(check, value, unit, subject="full"):
        return measured_line("rollback", f"rollback.{check}", subject, "value", value, [value, value], unit, 1, "exact")

    lines = (
        told("recovered", 2.56, "s"),
        told("failed", 0.0, "requests"),
        told("rpo", 0.0, "rows"),
        told("step", 0.41, "s", "full restore"),
        told("step", 0.79, "s", "full start"),
    )
    page = page_of(tmp_path / "some", replace(scenario, observations=(*scenario.observations, *lines)))
    assert "Ways back that were walked" in page.prose
    assert "2.56 s until recovered, 0 requests failed, 0 acknowledged rows lost" in page.prose
    assert "restore 0.41 s, start 0.79 s" in page.prose
    assert "rollback of level full: restore 0.41 s, start 0.79 s" in page.source
