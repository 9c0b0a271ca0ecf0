"""The documentation of profiles, policies, suites and runs is held to the code: keys, defaults, words, rows."""

import re
from dataclasses import fields, replace
from importlib import import_module
from itertools import combinations

import msgspec
import pytest
from msgspec import inspect as schema

import harness.pytest_plugin.fixtures as plugin_fixtures
from harness.config import load_policy, load_target, load_waivers
from harness.config.policy_load import _Policy
from harness.config.profile_load import read_manifest
from harness.config.waivers import _Waivers
from harness.errors import HarnessError
from harness.model import ABSENT_WORDS, NEEDS_WORDS, SEVERITIES, Outcome, Profile, RunRecord, Target, Threshold
from harness.model.placeholders import STACK_WORDS
from harness.preflight.checks import CHECKS
from harness.pytest_plugin import FIXTURE_MODULES
from harness.pytest_plugin.markers import MARKERS
from harness.run.seal import _SEALED_FILES, _SEALED_FOLDERS
from harness.watch.export import runbook_link
from tests.judging import MS, criterion, line, measured, ruling_of
from tests.pages import ROOT, blocks, read, rows, section
from tools.check_citations import anchors_of

# --- keys of the files that people write


PLAIN_TYPES = {
    schema.StrType: "text",
    schema.BoolType: "true or false",
    schema.IntType: "whole number",
    schema.FloatType: "number",
    schema.AnyType: "date",
    schema.DataclassType: "table",
}


def written(kind: schema.Type) -> str:
    """A type as the documentation names it."""
    match kind:
        case schema.Metadata(type=inner):
            return written(inner)
        case schema.LiteralType(values=words):
            return " ".join(f"`{word}`" for word in words)
        case schema.VarTupleType(item_type=inner):
            return f"list of {written(inner)}"
        case schema.DictType(value_type=inner):
            return f"table of {written(inner)}"
        case schema.UnionType(types=types):
            return " or ".join(written(one) for one in types if not isinstance(one, schema.NoneType))
    return PLAIN_TYPES[type(kind)]


def keys(kind: schema.Type, at: str = "") -> dict[str, tuple[str, object]]:
    """Every key that the file may hold, dotted, with its type and default (`...` for one that must be there)."""
    found: dict[str, tuple[str, object]] = {}
    for field in kind.fields:
        inner = field.type
        if isinstance(inner, schema.UnionType):
            present = [one for one in inner.types if not isinstance(one, schema.NoneType)]
            inner = present[0] if len(present) == 1 else inner
        name = f"{at}{field.name}"
        if isinstance(inner, schema.DataclassType):
            found |= keys(inner, f"{name}.")
        elif isinstance(inner, schema.VarTupleType) and isinstance(inner.item_type, schema.DataclassType):
            found |= keys(inner.item_type, f"{name}.")
        elif isinstance(inner, schema.DictType) and isinstance(inner.value_type, schema.DataclassType):
            found |= keys(inner.value_type, f"{name}.NAME.")
        else:
            found[name] = (written(inner), default_of(field))
    return found


def default_of(field: schema.Field) -> object:
    if field.required:
        return ...
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def told_default(default: object) -> set[str]:
    """The words that say a default."""
    match default:
        case e if e is ...:
            return {"required"}
        case None:
            return {"none", "any", "`0`", "`false`", "`true`"}  # the loader's own; tested on their own below
        case bool():
            return {f"`{str(default).lower()}`"}
        case int() | float():
            return {f"`{default:g}`"}
        case str():
            return {f'`"{default}"`'}
        case tuple():
            return {"`[]`"}
    return {"`{}`"}


def documented(page: str) -> dict[str, tuple[str, str]]:
    """Keys of all tables `key | type | default | what`."""
    return {name.strip("`"): (kind, told) for name, kind, told, _ in rows(read(page), columns=4) if name != "key"}


@pytest.mark.parametrize(
    ("page", "files"), [("docs/profile.md", (Profile,)), ("docs/policy.md", (_Policy, _Waivers))], ids=str
)
def test_every_key_is_documented_with_its_type_and_default(page, files):
    known: dict[str, tuple[str, object]] = {}
    for file in files:
        known |= keys(schema.type_info(file))
    told = documented(page)
    assert set(told) == set(known)
    wrong = [
        f"{name}: {told[name]}, and it is {kind}, {default!r}"
        for name, (kind, default) in known.items()
        if name != "schema" and (told[name][0] != kind or told[name][1] not in told_default(default))
    ]
    assert wrong == []


def test_defaults_that_the_loader_gives_are_told(tmp_path):
    (tmp_path / "p.toml").write_text(
        'schema = 1\n[[criterion]]\nid = "x"\narea = "x"\nselect = {check = "x"}\n', encoding="utf-8"
    )
    policy = load_policy(str(tmp_path / "p.toml"), ROOT)
    told = documented("docs/policy.md")
    found = (policy.max_flaky, policy.retries, policy.clean_build, policy.criteria[-1].waivable)
    assert found == (0, 0, False, True)
    names = ("max_flaky", "retries", "clean_build", "criterion.waivable")
    assert [told[name][1] for name in names] == ["`0`", "`0`", "`false`", "`true`"]


def test_every_key_of_a_threshold_is_documented():
    told = {
        row[0].strip("`") for row in rows(section(read("docs/policy.md"), "## Keys of a `[[criterion]]`"), columns=3)
    }
    assert told == {"key", *(field.name for field in schema.type_info(Threshold).fields)}


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("docs/profile.md", ABSENT_WORDS),
        ("docs/profile.md", NEEDS_WORDS),
        ("docs/profile.md", tuple(f"{{{word}}}" for word in STACK_WORDS)),
        ("docs/profile.md", tuple(check.id.removeprefix("preflight.") for check in CHECKS)),
        ("docs/suites.md", SEVERITIES),
        ("docs/run-folder.md", tuple(Outcome)),
    ],
)
def test_every_word_is_documented(page, words):
    text = read(page)
    assert [word for word in words if f"`{word}`" not in text] == []


def test_the_profiles_in_the_documentation_are_profiles(tmp_path):
    for folder in ("profiles/checks", "service"):
        (tmp_path / folder).mkdir(parents=True)
    examples = blocks(read("docs/profile.md"), "toml")
    assert len(examples) >= 10
    for example in examples:
        head = "" if "schema = 1" in example else 'schema = 1\nname = "shop"\n'
        head += "" if "[service]" in example else '[service]\ncommand = ["python", "app.py"]\n'
        path = tmp_path / "profiles" / "shop.toml"
        if "serves =" in example:
            (tmp_path / "manifest.toml").write_text(example, encoding="utf-8")
            assert read_manifest(tmp_path / "manifest.toml").indexes
            continue
        path.write_text(head + example, encoding="utf-8")
        assert isinstance(load_target(str(path), tmp_path), Target)


def test_the_policy_and_the_waiver_in_the_documentation_are_what_they_say(tmp_path):
    policy, _, waiver = blocks(read("docs/policy.md"), "toml")
    (tmp_path / "mine.toml").write_text(policy, encoding="utf-8")
    loaded = load_policy(str(tmp_path / "mine.toml"), ROOT)
    assert loaded.clean_build
    (tmp_path / "waivers.toml").write_text(waiver, encoding="utf-8")
    assert [one.criterion for one in load_waivers(tmp_path / "waivers.toml", loaded)] == ["load.latency"]


def test_the_policy_and_the_profile_of_a_watch_in_the_documentation_are_what_they_say(tmp_path):
    policy, profile = blocks(read("docs/watch.md"), "toml")
    (tmp_path / "mine.toml").write_text(policy, encoding="utf-8")
    rules = load_policy(str(tmp_path / "mine.toml"), ROOT).watch
    assert rules is not None
    assert [slo.below_ms for slo in rules.slo] == [None, 300]
    head = 'schema = 1\nname = "shop"\n[service]\ncommand = ["python", "app.py"]\n'
    (tmp_path / "shop.toml").write_text(head + profile, encoding="utf-8")
    assert len(load_target(str(tmp_path / "shop.toml"), tmp_path).watch.all_figures) == 8


def test_each_alert_of_a_watch_has_its_heading_in_the_runbook():
    rules = replace(load_policy("watch", ROOT).watch, runbook="runbook.md")
    links = {runbook_link(rules, alert) for alert in ("availability", "latency", "baseline", "some_figure")}
    assert {link.partition("#")[2] for link in links} <= set(anchors_of(read("docs/runbook.md")))
    assert len(links) == 4


# --- rows of the judge

SKIP = line("skip", detail={"reason": "no browser"})
BARE = criterion("load.latency", demand=MS)
OUTCOME_ROWS = {
    "any `fail`": [line("fail")],
    "any `error`": [line("error", subject="GET /error")],
    "more `flaky` than `max_flaky`": [line("flaky", subject="GET /flaky")],
    "nothing, or only `skip`": [],
    "a `skip` whose reason is not in `allow_skip`": [SKIP, line("pass", subject="GET /other")],
    "no `pass`: only `measured` or tolerated `flaky`": [line("measured", subject="GET /number")],
    "fewer passed than `min_n`": [line("pass")],
    "at least one `pass`": [line("pass"), line("pass", subject="GET /2")],
}
NUMBER_ROWS = {
    "any `fail`": [line("fail", "load.latency")],
    "any `error`": [line("error", "load.latency", subject="error")],
    "more `flaky` than `max_flaky`": [line("flaky", "load.latency", subject="flaky")],
    "a line without interval, in another unit, or with fewer samples than `min_n`": [
        measured(1.0, None, subject="bare")
    ],
    "an interval whose `level` is below 0.95": [measured(1.0, [0.9, 1.1], subject="unsure", detail={"level": 0.5})],
    "no `measured` line of this statistic": [],
    "an interval with values on both sides of the threshold": [measured(300.0, [290, 310], subject="straddles")],
    "an interval that wholly misses it": [measured(400.0, [390, 410], subject="misses")],
    "all intervals wholly meet it": [measured(100.0, [90, 110], subject="meets")],
}
TABLES = [
    ('Demand `"all pass"`:', criterion(min_n=2), OUTCOME_ROWS),
    ("Demand over numbers:", BARE, NUMBER_ROWS),
]


def table_after(words: str) -> list[tuple[str, str]]:
    """The rows `evidence | ruling` of the table that these words introduce."""
    text = section(read("docs/policy.md"), "## How a criterion is ruled").split(words)[1].lstrip().split("\n\n")[0]
    return [(case, status) for case, status in rows(text, columns=2) if case != "evidence"]


@pytest.mark.parametrize(("words", "rule", "cases"), TABLES, ids=["outcomes", "numbers"])
def test_every_row_of_the_tables_of_rulings_is_what_the_judge_does(words, rule, cases):
    told = table_after(words)
    assert [case for case, _ in told] == list(cases)
    assert [(case, str(ruling_of(rule, *cases[case]).status)) for case, _ in told] == told


@pytest.mark.parametrize(("words", "rule", "cases"), TABLES, ids=["outcomes", "numbers"])
def test_of_two_rows_the_upper_one_decides(words, rule, cases):
    # rows about what is missing say nothing once something is there
    told = [(case, status) for case, status in table_after(words) if not case.startswith(("n", "fewer"))]
    assert len(told) >= 5
    for (upper, status), (lower, _) in combinations(told, 2):
        both = ruling_of(rule, *cases[upper], *cases[lower])
        assert (upper, lower, both.status) == (upper, lower, status)


# --- suites and runs


def test_markers_and_fixtures_of_suites_are_documented(pytestconfig):
    ours = {text.partition(":")[0].partition("(")[0] for text in MARKERS}
    told = {row[0].strip("`") for row in rows(read("docs/suites.md"), columns=2)}
    markers = {text.partition(":")[0].partition("(")[0] for text in pytestconfig.getini("markers")}
    assert ours <= markers
    assert ours <= told
    modules = (*map(import_module, FIXTURE_MODULES), plugin_fixtures)
    defined = {
        name
        for module in modules
        for name, value in vars(module).items()
        if type(value).__name__ == "FixtureFunctionDefinition" and not name.startswith("_")
    }
    assert len(defined) >= 12
    assert defined <= told


def test_what_a_run_keeps_is_documented():
    text = read("docs/run-folder.md")
    files = {*_SEALED_FILES, *(f"{folder}/" for folder in _SEALED_FOLDERS), "manifest.json"}
    assert [name for name in files if f"`{name}`" not in section(text, "## Files")] == []
    names = {member.name for member in fields(RunRecord)}
    assert [name for name in names if f"`{name}`" not in section(text, "## `run.json`")] == []


def test_every_exit_status_is_documented():
    def of(kind: type[HarnessError]) -> set[int]:
        return {kind.exit_code}.union(*(of(child) for child in kind.__subclasses__()))

    told = {row[0] for row in rows(read("docs/guide.md"), columns=3)} - {"exit"}
    assert told == {"0", "1", "130", *map(str, of(HarnessError))}


def test_the_commands_of_the_runbook_are_commands():
    """Whoever is woken up by an alert types them as they stand."""
    text = read("docs/runbook.md")
    commands = [row.partition("#")[0] for row in text.splitlines() if row.startswith("harness ")]
    commands += re.findall(r"`(harness [a-z]+[^`]*)`", text.replace("\n", " "))
    assert len(commands) > 15
    for command in commands:
        _, name, *words = command.split()
        import_module(f"harness.cli.{name}").command.make_context(name, words)
