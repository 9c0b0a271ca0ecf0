"""What the readiness check of templates finds, and what it lets pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config import load_target
from harness.machine.bundle import root
from harness.model import Outcome, Service, StackInfo, Target, Templates
from harness.preflight import Scene, run_check
from harness.preflight.check import CannotAskError, ReadinessFinding
from harness.preflight.checks import STATIC
from harness.preflight.checks.templates import check_templates

WEB = """\
from jinja2 import ChainableUndefined, Environment, FileSystemLoader
print("imported")
class Site:
    env = Environment(loader=FileSystemLoader("pages"), undefined=ChainableUndefined, extensions=["jinja2.ext.do"])
Site.env.filters["day"] = lambda moment: moment.strftime("%A")
Site.env.filters["upside"] = lambda text: 1 / 0
Site.env.globals["shop"] = "Shop"
"""


def put(top: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def ask(top: Path, templates: Templates, *, owned: bool = True) -> ReadinessFinding:
    service = Service(command=("python", "-m", "web"), cwd=str(top))
    target = Target(name="t", source="", service=service, templates=templates)
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=owned)
    return check_templates(Scene(target=target, info=info))


def guess(top: Path, name: str, text: str) -> ReadinessFinding:
    put(top, {"main.py": "import jinja2\n", name: text, "templates/good.html": "{{ a }}"})
    return ask(top, Templates())


def render(top: Path, pages: Mapping[str, str], samples: object) -> ReadinessFinding:
    put(top, {"web.py": WEB, "samples.json": json.dumps(samples), **{f"pages/{name}": pages[name] for name in pages}})
    return ask(
        top,
        Templates(engine="jinja2", path="pages", samples="samples.json", environments={"": "web:Site.env"}),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("line\n{% if x %}never closed\n", ":"),
        ("{{ x | }}", ":1: "),
        ("<p>\n<script>\nconst a = `${{b: 1}.b}`;\n</script>", ":3: Jinja takes the braces of '${{' in a script's"),
        ("<script>f('`', `a\n${{ b }}`)</script>", ":2: Jinja takes the braces of '${{'"),
        ("<p>\n{{ a\n{{ b }}", ":2: '{{' is not closed before '{{' at line 3"),
        ("{% if a {% b %}{% endif %}", ":1: '{%' is not closed before '{%' in it"),
        ("{% if {{ a }} %}{% endif %}", ":1: '{%' is not closed before '{{' in it"),
        ("{{ a {% if b %}{% endif %}", ":1: '{{' is not closed before '{%' in it"),
    ],
)
def test_a_template_that_does_not_parse_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    found = guess(tmp_path, "app/templates/bad.html", text)
    assert found.outcome is Outcome.FAIL
    assert found.message.startswith(f"1 of 2 templates parse: app/templates/bad.html{says}")


@pytest.mark.parametrize(
    "text",
    [
        "{% if deal %}${{ deal.price }}{% endif %}",
        "<script>const a = `${b}`, c = '${{ price }}', d = \"`\"; // `${{ e }}\n</script>",
        "<script>const a = `\\${{ price }} ${ {b: 1}.b }`;</script>",
        "<script>{% raw %}const a = `${{b: 1}.b}`;{% endraw %}</script>",
        "{# <script>`${{a}}`</script> {{ b {{ c }} #}",
        "{{ {'a': {'b': '{{ c'}} }}{{ \"}} {{\" }}",
        "{{{'a': 1}['a']}}",
        "{% raw %}{{ a {{ b {% c {% endraw %}",
        "{% set a = '{%' %}{{- a -}}\n{%- if a -%}{%+ endif %}",
    ],
)
def test_braces_that_are_meant_are_let_pass(tmp_path: Path, text: str) -> None:
    found = guess(tmp_path, "templates/page.html", text)
    assert found.outcome is Outcome.PASS, found.message


def test_braces_of_a_script_that_run_into_a_tag_are_named_once(tmp_path: Path) -> None:
    found = guess(tmp_path, "templates/p.html", "<script>let a = `${{b: 1}.b}`</script>\n{% if c %}{% endif %}")
    assert [problem.partition(": ")[0] for problem in found.detail["problems"]] == ["templates/p.html:1"]


def test_a_script_that_is_a_template_is_looked_at_as_one(tmp_path: Path) -> None:
    found = guess(tmp_path, "templates/app.js", "f();\nlet a = `${{b: 1}.b}`;")
    assert "templates/app.js:2: Jinja takes the braces of '${{'" in found.message


def test_templates_of_another_language_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, {"main.py": "import django\n", "templates/page.html": "{% url 'x' %}{% unknown %}"})
    found = ask(tmp_path, Templates())
    assert (found.outcome, found.detail["counts"]) == (Outcome.SKIP, False)


def test_templates_of_somebody_elses_service_are_unknown(tmp_path: Path) -> None:
    found = ask(tmp_path, Templates(), owned=False)
    assert (found.outcome, found.detail["counts"]) == (Outcome.SKIP, True)


def test_templates_are_rendered_by_the_services_own_environment(tmp_path: Path) -> None:
    pages = {
        "base.html": "{% block a %}{% endblock %}{{ shop }}",
        "page.html": "{% extends 'base.html' %}{% block a %}{% include 'part.html' %}{% endblock %}",
        "part.html": "{{ order.made_at|day }}{{ order.items[0] }}{% for k, v in of.items() %}{{ by[1] }}{% endfor %}",
        "alone.html": "{{ nobody.knows }}",
        "none.html": "{% if a is none %}1{% else %}{{ missing }}{% endif %}",
    }
    order = {"made_at": "2026-01-31T12:00:00Z", "items": [1]}
    samples = {"*": {"a": None}, "page.html": {"order": order, "of": {"k": 1}, "by": {"1": 2}}, "none.html": [{}]}
    found = render(tmp_path, pages, samples)
    assert found.outcome is Outcome.PASS, found.message
    assert found.message == (
        "5 templates parse, 4 were rendered with samples; not rendered, for want of a sample: alone.html"
    )
    assert found.detail["not_rendered"] == ["alone.html"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<p>\n{{ missing }}", "pages/bad.html:2: UndefinedError: 'missing' is undefined"),
        (
            "{{ a }}\n{{ o.missing.more }}",
            "pages/bad.html:2: UndefinedError: 'Sample object' has no attribute 'missing'",
        ),
        ("{% if missing %}1{% endif %}", "pages/bad.html:1: UndefinedError: "),
        ("\n{{ a|upside }}", "pages/bad.html:2: ZeroDivisionError: division by zero"),
        ("\n\n{{ a|unknown }}", "pages/bad.html:3: No filter named 'unknown'."),
        ("\n{% include 'gone.html' %}", "pages/bad.html:2: TemplateNotFound: 'gone.html' not found"),
        ("{% if a %}\n{{ a }", "pages/bad.html:2: "),
        ("{% include 'part.html' %}", "pages/part.html:2: UndefinedError: 'part' is undefined"),
        ("<script>\n`${{ a }}`</script>", "pages/bad.html:2: Jinja takes the braces"),
    ],
)
def test_what_cannot_be_rendered_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    pages = {"bad.html": text, "part.html": "\n{{ part }}", "good.html": "{% do a %}{{ a }}"}
    found = render(tmp_path, pages, {"bad.html": {"a": 1, "o": {}}, "good.html": {"a": 1}})
    assert found.outcome is Outcome.FAIL
    assert found.message.startswith("2 of 3 templates are sound: ")
    assert found.detail["problems"][0].startswith(says)
    assert len(found.detail["problems"]) == 1


def test_each_of_several_samples_is_rendered(tmp_path: Path) -> None:
    found = render(tmp_path, {"p.html": "{% if a %}{{ b }}{% endif %}"}, {"p.html": [{"a": 0}, {"a": 1}]})
    assert found.detail["problems"] == ["pages/p.html:1: UndefinedError: 'b' is undefined"]


def test_a_sample_of_no_template_is_named(tmp_path: Path) -> None:
    found = render(tmp_path, {"p.html": "1"}, {"p.htm": {}, "p.html": {}})
    assert found.detail["problems"] == ["samples.json: there is no template p.htm"]


def test_samples_in_toml_and_a_plain_environment(tmp_path: Path) -> None:
    files = {"pages/p.html": "{{ at.year }}", "s.toml": '["p.html"]\nat = 2026-01-31T12:00:00Z\n'}
    put(tmp_path, files)
    found = ask(tmp_path, Templates(engine="jinja2", path="pages", samples="s.toml"))
    assert found.message == "1 templates parse, 1 were rendered with samples"


def test_the_longest_beginning_of_a_name_has_the_environment(tmp_path: Path) -> None:
    put(tmp_path, {"web.py": WEB, "other.py": WEB.replace('"Shop"', "None"), "samples.json": '{"mail/p.txt": {}}'})
    put(tmp_path, {"pages/mail/p.txt": "{{ shop.upper() }}"})
    told = {"": "web:Site.env", "mail/": "other:Site.env"}
    found = ask(tmp_path, Templates(engine="jinja2", path="pages", samples="samples.json", environments=told))
    assert "pages/mail/p.txt:1: UndefinedError: 'None' has no attribute 'upper'" in found.message


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"environments": {"": "gone:env"}}, "ModuleNotFoundError: No module named 'gone'"),
        ({"environments": {"": "web:gone"}}, "AttributeError: module 'web' has no attribute 'gone'"),
        ({"samples": "gone.json"}, "gone.json cannot be read"),
        ({"samples": "web.py"}, "web.py cannot be read"),
    ],
)
def test_what_cannot_be_asked_says_what_to_mend(tmp_path: Path, told: dict[str, str], says: str) -> None:
    put(tmp_path, {"web.py": WEB, "pages/p.html": ""})
    with pytest.raises(CannotAskError, match=says) as raised:
        ask(tmp_path, Templates(**{"engine": "jinja2", "path": "pages", **told}))
    assert raised.value.remedy.startswith("mend [templates] ")


def test_a_service_that_hangs_while_it_is_imported_is_left(tmp_path: Path) -> None:
    put(tmp_path, {"web.py": "import threading; threading.Event().wait()", "pages/p.html": ""})
    told = Templates(engine="jinja2", path="pages", environments={"": "web:env"})
    service = Service(command=("python", "-m", "web"), cwd=str(tmp_path), start_timeout_s=1)
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=True)
    with pytest.raises(CannotAskError, match="the templates were not rendered within 1 s"):
        check_templates(Scene(target=Target(name="t", source="", service=service, templates=told), info=info))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    found = ask(tmp_path, Templates(engine="jinja2", path="pages"))
    assert found.outcome is Outcome.FAIL
    assert "no folder pages" in found.message


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("templates/deal.html", "{{ deal.merchant }}", "{{ deal.shop }}", "templates/deal.html:7: UndefinedError"),
        ("templates/mail/new_reply.txt", "{{ reply }}", "{{ answer }}", "templates/mail/new_reply.txt:3: Undefined"),
        ("templates/price.html", "|euro", "|dollar", "templates/price.html:1: No filter named 'dollar'"),
        ("templates/mail/price_drop.html", "| euro", "| day", "templates/mail/price_drop.html:2: No filter named"),
    ],
)
def test_dealradar_is_rendered_whole_and_a_slip_in_it_is_found(
    tmp_path: Path, file: str, old: str, new: str, says: str
) -> None:
    home = Path(shutil.copytree(root() / "service", tmp_path / "service"))
    target = load_target("dealradar", root())
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=True)
    scene = Scene(target=_at(target, home), info=info)
    [check] = [check for check in STATIC if check.id == "preflight.templates"]
    seen = run_check(check, scene)
    assert (seen.outcome, seen.detail["not_rendered"]) == (Outcome.PASS, []), seen.detail
    path = home / "dealradar" / file
    path.write_text(path.read_text().replace(old, new))
    seen = run_check(check, scene)
    assert seen.outcome is Outcome.FAIL
    assert f"dealradar/{says}" in seen.detail["message"]


def _at(target: Target, home: Path) -> Target:
    return replace(target, service=replace(target.service, cwd=str(home)))


@pytest.mark.parametrize("text", ["{{ " + "\"a\" 'b' " * 500, "<script " + "a='b' " * 500, "<script>`" + "a`b" * 500])
def test_a_page_that_ends_in_the_middle_is_read_at_once(tmp_path: Path, text: str) -> None:
    assert guess(tmp_path, "templates/p.html", text).n == 2
