"""What the readiness check of scripts finds, by acorn in Node, and what it lets pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import Outcome, Service, StackInfo, Target
from harness.preflight import Scene, run_check
from harness.preflight.check import ReadinessFinding
from harness.preflight.checks import STATIC
from harness.preflight.checks.scripts import check_scripts
from harness.preflight.markup import as_rendered


def read(top: Path, files: dict[str, str], *, owned: bool = True) -> ReadinessFinding:
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    target = Target(name="t", source="", service=Service(command=("x",), cwd=str(top)))
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=owned)
    return check_scripts(Scene(target=target, info=info))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("static/a.js", "const a = 1;\nfunction f( {\n", "static/a.js:3:1: Unexpected end of the script"),
        ("static/a.js", "f();\n  const class = 1;\n", "static/a.js:2:9: 'class' is a reserved word"),
        ("static/a.js", "var enum = 1;", "static/a.js:1:5: 'enum' is a reserved word"),
        ("static/a.js", "const private = 1;", "static/a.js:1:7: 'private' is used as a name; strict mode"),
        ("static/a.js", "f((public) => 1);", "static/a.js:1:4: 'public' is used as a name"),
        ("static/a.js", "'use strict';\nlet static = 1;", "static/a.js:2:5: 'static' is a reserved word"),
        ("static/a.mjs", "let interface = 1;", "static/a.mjs:1:5: 'interface' is a reserved word"),
        ("static/a.mjs", "import a from './b.js'\nimport {", "static/a.mjs:2:9: Unexpected end"),
        ("static/a.js", "import a from './b.js';\nf(;", "static/a.js:2:3: Unexpected token ';'"),
        ("static/a.js", "return 1;", "static/a.js:1:1: 'return' outside of function"),
        ("static/a.js", "const x = <b>1</b>;", "static/a.js:1:11: Unexpected token '<'"),
        ("static/a.min.js", "f(;", "static/a.min.js:1:3: "),
        ("page.html", "<p>\n<script>\n  const private = 1;\n</script>", "page.html:3:9: 'private' is used"),
        ("page.html", "<p><script>f(;</script>", "page.html:1:14: Unexpected token ';'"),
        ("page.html", "<SCRIPT type='module'>let yield = 1</SCRIPT>", "page.html:1:27: 'yield' is a reserved"),
        ("templates/p.html", "<script>f({{ a }}, {% if x %}1{% endif %};</script>", "templates/p.html:1:42: "),
        ("templates/p.j2", "<script>\nvar a = {{ b\n}};\nvar package;</script>", "templates/p.j2:4:5: 'package'"),
        ("templates/a.js.j2", "const a = {{ b }};\nf(;", "templates/a.js.j2:2:3: "),
    ],
)
def test_a_broken_script_is_named_with_line_and_column(tmp_path: Path, name: str, text: str, says: str) -> None:
    found = read(tmp_path, {name: text, "static/good.js": "f();"})
    assert found.outcome is Outcome.FAIL
    assert found.message.startswith(f"1 of 2 scripts parse: {says}")
    assert found.remedy


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.js", "o.private = {static: 1, class: 2}; class A { static public() {} #private = 1; }"),
        ("a.js", "const {private: mine, ...rest} = o; let a = o?.package; // const private = 1"),
        ("a.js", "let a = 'const private = 1'; let b = /private/; let c = `${a} private`;"),
        ("a.js", "with (o) { f(); } var undefined_octal = 010;"),
        ("a.js", "import a from './b.js'; await a();"),
        ("a.js", "#!/usr/bin/env node\nf();"),
        ("a.min.js", "var private=1;"),
        ("a.cjs", "if (x) return; module.exports = 1;"),
        ("page.html", "<script src='x.js'></script><script type='application/json'>{private: }</script>"),
        ("page.html", '<!-- <script>f(;</script> --><script type="text/x-handlebars">{{#if a}}</script>'),
        ("page.html", "<script>const a = `${{b: 1}.b}`; let c = {d: {e: 1}};</script>"),
        ("page.html", "<script data-type='text/plain'>f();</script>"),
        ("templates/p.html", "{# <script>f(;</script> #}<script>const a = {{ b|tojson }}, c = '{{ d }}';</script>"),
        ("templates/p.html", "<script>{% if a %}const b = 1;{% else %}const b = 2;{% endif %}</script>"),
        (
            "templates/p.html",
            "<script>f({% if a %}1{% elif b %}2, {% if c %}3{% endif %}{% else %}4{% endif %});</script>",
        ),
        ("templates/p.html", "<script>const a = [{% for b in c %}{{ b }}, {% endfor %}];</script>"),
        ("templates/p.html", "<script>const a = {% include 'data.json' %};</script>"),
        ("templates/p.html", "<script>const a = '{% raw %}{{ b }}{% endraw %}';</script>"),
        ("views/p.hbs", "<script>{{#if a}}f({{{b}}}){{else}}g({{b}}){{/if}}; {{> tail}}</script>"),
        ("p.html", "<p>{{ a }}<script>const private_key = {{ private }};</script>"),
    ],
)
def test_what_is_right_or_no_script_is_let_pass(tmp_path: Path, name: str, text: str) -> None:
    found = read(tmp_path, {name: text, "good.js": "f();"})
    assert found.outcome is Outcome.PASS, found.message


def test_a_package_says_what_its_files_are(tmp_path: Path) -> None:
    files = {
        "web/package.json": '{"type": "module"}',
        "web/src/a.js": "let static = 1;",
        "tool/package.json": "{}",
        "tool/a.js": "return <b>{f()}</b>;",
        "node_modules/x/a.js": "f(;",
    }
    found = read(tmp_path, files)
    assert found.message.startswith("1 of 2 scripts parse: web/src/a.js:1:5: 'static' is a reserved word")
    assert found.detail["problems"] == ["web/src/a.js:1:5: 'static' is a reserved word and can be no name here"]


def test_every_use_of_a_reserved_word_is_named_once(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.js": "var private = 1;\nf(private, {private});"})
    assert [problem.split(": ")[0] for problem in found.detail["problems"]] == ["a.js:1:5", "a.js:2:3", "a.js:2:13"]
    assert found.value == 0


def test_what_a_template_renders_keeps_every_place() -> None:
    text = "a {{ b\n}} {% if c %}d{% else %}e\n{% for x in y %}{% endfor %}{% endif %} {# f #}g"
    made = as_rendered(text)
    assert [len(line) for line in made.split("\n")] == [len(line) for line in text.split("\n")]
    assert made.split() == ["a", "$___", "d", "g"]


def test_no_scripts_nothing_to_ask(tmp_path: Path) -> None:
    found = read(tmp_path, {"page.html": "<p>"})
    assert (found.outcome, found.detail["counts"]) == (Outcome.SKIP, False)


def test_without_node_the_scripts_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.preflight.programs.node.PARSERS", tmp_path / "none")
    found = read(tmp_path, {"a.js": "f();"})
    assert (found.outcome, found.detail["counts"]) == (Outcome.SKIP, True)
    assert "1 scripts were not read: there is no acorn and no acorn-jsx and no handlebars in" in found.message


def test_scripts_of_somebody_elses_service_are_unknown(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.js": "f(;"}, owned=False)
    assert (found.outcome, found.detail["counts"]) == (Outcome.SKIP, True)


def test_a_node_that_fails_is_an_error_of_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.js").write_text("f();")
    program = tmp_path / "broken.cjs"
    program.write_text("throw new TypeError('no such thing')")
    monkeypatch.setattr("harness.preflight.checks.scripts._PROGRAM", program)
    target = Target(name="t", source="", service=Service(command=("x",), cwd=str(tmp_path)))
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=True)
    [check] = [check for check in STATIC if check.id == "preflight.scripts"]
    seen = run_check(check, Scene(target=target, info=info))
    assert seen.outcome is Outcome.ERROR
    assert "Node failed: TypeError: no such thing" in seen.detail["message"]
