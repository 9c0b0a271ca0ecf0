"""Mistakes in templates and in files of settings."""

import difflib

import pytest
from jinja2 import Environment

from harness.errors import ConfigError
from harness.prove.source.drawing import draw_sources, read_sources
from harness.prove.source.setting import setting_changes
from harness.prove.source.template import template_changes

PAGE = """\
{% extends "base.html" %}
{%- for deal in deals.items recursive %}
<li class="deal" data-deal="{{ deal.id }}">{{ deal.price|euro }} {% include "rating.html" %}
  {%- if deal.full > deal.price %}{{ deal.title|replace("a", "b")|upper }}{% elif 5 %}{{ 5 }}{% endif %}</li>
{%- endfor %}
"""
SETTINGS = """\
# of a test stack
RATE_LIMIT_PER_MINUTE=300
export CACHE_ENABLED=true
DRAIN_SECONDS="0.5"
MAIL_FROM=a@b.test
"""


def changes(changing, name, text):
    made = [(one.operator, one.make()) for one in changing(name, text)]
    return [(operator, edit) for operator, edit in made if edit is not None]


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        ("template-condition", "{%- if deal.full > deal.price %}", "{%- if not (deal.full > deal.price) %}"),
        ("template-condition", "{% elif 5 %}", "{% elif not (5) %}"),
        ("template-loop", "in deals.items recursive", "in (deals.items)[1:] recursive"),
        ("template-filter", "deal.price|euro", "deal.price"),
        ("template-filter", 'deal.title|replace("a", "b")|upper', "deal.title|upper"),
        ("template-value", "{{ deal.id }}", "{{ '' }}"),
        ("template-escape", "|upper }}", "|upper|safe }}"),
        ("template-constant", "{{ 5 }}", "{{ 6 }}"),
        ("template-attribute", '<li class="deal" ', "<li "),
    ],
)
def test_a_template_gets_one_mistake(operator, before, after):
    made = [edit.after for named, edit in changes(template_changes, "page.html", PAGE) if named == operator]
    assert PAGE.replace(before, after) in made


def test_every_mistake_is_a_template_that_can_be_read():
    found = changes(template_changes, "page.html", PAGE)
    assert len(found) > 10
    for _, edit in found:
        Environment(autoescape=True).parse(edit.after)
        assert (edit.before, edit.first <= edit.last) == (PAGE, True)
        assert sum(line[0] in "+-" for line in difflib.ndiff(edit.before.splitlines(), edit.after.splitlines())) == 2
        assert edit.runs_at == (1, PAGE.count("\n") + 1)


def test_what_is_no_template_is_left_alone():
    assert changes(template_changes, "page.html", "{% if %}") == []


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        ("setting-number", "=300", "=301"),
        ("setting-number", "=300", "=299"),
        ("setting-unit", "=300", "=18000"),
        ("setting-unit", '"0.5"', '"30.0"'),
        ("setting-switch", "=true", "=false"),
        ("setting-dropped", "MAIL_FROM=a@b.test\n", ""),
    ],
)
def test_a_file_of_settings_gets_one_mistake(operator, before, after):
    made = [edit for named, edit in changes(setting_changes, ".env.test", SETTINGS) if named == operator]
    (edit,) = [one for one in made if one.after == SETTINGS.replace(before, after)]
    assert edit.names[0].lower() == edit.names[-1]


def test_what_would_be_no_toml_is_not_made():
    assert {edit.after for _, edit in changes(setting_changes, "a.toml", "[a]\nn = 5\n")} >= {"[a]\nn = 6\n", "[a]\n"}
    with pytest.raises(ConfigError, match=r"a\.toml: cannot be parsed"):
        draw_sources(1, 1, {"a.toml": "n = \n"})


def test_files_of_all_three_kinds_are_drawn_by_one_seed(tmp_path):
    texts = {
        "a.py": "def f(n):\n    return n > 5\n",
        "templates/page.html": PAGE,
        ".env.test": SETTINGS,
        "a.css": "a {}",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    sources = read_sources(tmp_path, frozenset(texts))
    drawn = draw_sources(3, 40, sources)
    assert drawn == draw_sources(3, 40, sources)
    assert {one.edit.file for one in drawn} == set(texts) - {"a.css"}


def test_an_equal_template_is_equivalent():
    drawn = draw_sources(1, 100, {"page.html": "<p>{{ 'x' }}</p>{{ '' }}\n"})
    assert {one.defect.equivalent for one in drawn if one.edit.operator == "template-escape"} == {""}
