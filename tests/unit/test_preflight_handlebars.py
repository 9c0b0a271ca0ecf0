"""What the readiness check of templates finds in those of Handlebars, by Handlebars itself, and what it lets pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.model import Outcome, Service, StackInfo, Target, Templates
from harness.preflight import Scene
from harness.preflight.check import CannotAskError, ReadinessFinding
from harness.preflight.checks.templates import check_templates

HELPERS = """\
console.log("loaded");
module.exports = {
  loud: (text) => text.toUpperCase(),
  raw: (options) => options.fn(),
  broken: () => { throw new TypeError("no such thing"); },
};
"""


def render(top: Path, views: Mapping[str, str], samples: object, *, helpers: str = "helpers.cjs") -> ReadinessFinding:
    files = {"helpers.cjs": HELPERS, "samples.json": json.dumps(samples)}
    for name, text in {**files, **{f"views/{name}": text for name, text in views.items()}}.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    told = Templates(engine="handlebars", path="views", samples="samples.json", helpers=helpers)
    service = Service(command=("node", "server.js"), cwd=str(top))
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=True)
    return check_templates(Scene(target=Target(name="t", source="", service=service, templates=told), info=info))


def test_templates_are_rendered_with_partials_and_helpers(tmp_path: Path) -> None:
    views = {
        "page.hbs": "{{#> layout}}{{#each items}}{{loud name}}{{@index}}{{> row}}{{else}}none{{/each}}{{/layout}}",
        "layout.hbs": "{{#*inline 'foot'}}{{title}}{{/inline}}{{> @partial-block}}{{> foot}}{{{title}}}",
        "partials/row.hbs": "{{#if more}}{{more}}{{/if}}{{#with name}}{{this}}{{../name}}{{/with}}{{lookup . 'name'}}",
        "alone.handlebars": "{{nobody.knows}}",
        "brackets.hbs": "{{!-- {{ a {{ b }} --}}{{! it's }}\\{{c}} {{{{raw}}}} {{ d {{ e }} {{{{/raw}}}}<p>${{title}}",
        "readme.txt": "{{",
    }
    samples = {"*": {"title": "T"}, "page.hbs": [{"items": [{"name": "a"}]}, {"items": []}], "brackets.hbs": {}}
    found = render(tmp_path, views, samples)
    assert found.outcome is Outcome.PASS, found.message
    assert found.message == (
        "5 templates parse, 4 were rendered with samples; not rendered, for want of a sample: alone.handlebars"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<p>\n{{missing}}", 'views/bad.hbs:2: "missing" not defined in '),
        ("{{a}}\n\n{{o.missing}}", 'views/bad.hbs:3: "missing" not defined in '),
        ("{{#if a}}\n{{a}}\n", "views/bad.hbs:3: "),
        ("{{#if a}}\n{{/each}}", "views/bad.hbs:1: if doesn't match each"),
        ("\n{{a b=}}", "views/bad.hbs:2: "),
        ("\n{{quiet a}}", "views/bad.hbs:2: there is no helper 'quiet'"),
        ("{{#if no}}\n{{quiet a}}{{/if}}", "views/bad.hbs:2: there is no helper 'quiet'"),
        ("{{#if no}}\n{{> gone}}{{/if}}", "views/bad.hbs:2: there is no partial 'gone'"),
        ("{{#if o.no.more}}1{{/if}}", "views/bad.hbs: Cannot read properties of undefined"),
        ("{{> (lookup . 'gone')}}", "views/bad.hbs: The partial undefined could not be found"),
        ("\n{{broken a}}", "views/bad.hbs: no such thing"),
        ("{{a}}{{> part}}", 'views/partials/part.hbs:2: "part" not defined in '),
        ("<script>\nf(`${{a}}`)</script>", "views/bad.hbs:2: Handlebars takes the braces of '${{'"),
        ("{{#if a\n{{a}}{{/if}}", "views/bad.hbs:1: '{{' is not closed before '{{' at line 2"),
    ],
)
def test_what_is_broken_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    views = {"bad.hbs": text, "partials/part.hbs": "\n{{part}}", "good.hbs": "{{a}}"}
    found = render(tmp_path, views, {"bad.hbs": {"a": 1, "o": {}}, "good.hbs": {"a": 1}})
    assert found.outcome is Outcome.FAIL
    assert found.message.startswith("2 of 3 templates are sound: ")
    assert found.detail["problems"][0].startswith(says)
    assert len(found.detail["problems"]) == 1


def test_a_broken_partial_is_told_once(tmp_path: Path) -> None:
    found = render(tmp_path, {"p.hbs": "{{> part}}", "part.hbs": "{{#if}"}, {"p.hbs": {}})
    assert [problem.split(": ")[0] for problem in found.detail["problems"]] == ["views/part.hbs:1"]


def test_helpers_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotAskError, match=r"Node failed: Error: Cannot find module") as raised:
        render(tmp_path, {"p.hbs": ""}, {}, helpers="gone.cjs")
    assert raised.value.remedy == "mend [templates] helpers"


def test_without_node_nothing_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.preflight.programs.node.PARSERS", tmp_path / "none")
    with pytest.raises(CannotAskError, match="1 templates were not read: there is no "):
        render(tmp_path, {"p.hbs": ""}, {})
