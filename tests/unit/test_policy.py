"""Policies and waivers: what is read, what is inherited, and what is refused before anything starts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import (
    check_selects,
    load_policy,
    load_target,
    load_waivers,
    policy_document,
    policy_from_document,
    waivers_document,
    waivers_from_document,
)
from harness.config.policy_checks import overlap
from harness.errors import BrokenRunError, ConfigError
from harness.machine.bundle import root
from harness.model import Measurement, Select, Threshold

POLICY = """\
schema = 1
max_flaky = 1

[[criterion]]
id = "security.headers"
area = "security"
requires = "Headers are right."
select = { check = ["headers.*", "cookies"], suite = "security" }
weight = 2
allow_skip = ["not applicable*"]

[[criterion]]
id = "load.latency"
area = "load"
select = { check = "load.latency", subject = "ALL" }
demand = { stat = "p99", op = "<=", value = 300, unit = "ms" }
min_n = 100
needs = "cache"
target = "shop"
required = false
"""
KNOWN = {
    "headers.hsts": frozenset({"security"}),
    "cookies": frozenset({"security"}),
    "load.latency": frozenset({"load"}),
}


@pytest.fixture
def write(tmp_path):
    """`write(text)`: the path of a policy of that text."""

    def write(text: str, name: str = "strict.toml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def message_of(given: str, folder: Path = Path("nowhere")) -> str:
    """The one line of the error."""
    with pytest.raises(ConfigError) as caught:
        load_policy(given, folder)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    return caught.value.message.replace(given, "FILE", 1)


def test_a_policy_is_read_and_gets_its_startup(write):
    policy = load_policy(write(POLICY), Path("nowhere"))
    startup, headers, latency = policy.criteria
    assert (policy.name, policy.max_flaky, policy.retries, policy.clean_build) == ("strict", 1, 0, False)
    assert (startup.select.checks, startup.required, startup.waivable) == (("startup",), True, False)
    assert headers.select == Select(checks=("headers.*", "cookies"), suite="security")
    assert (headers.weight, headers.demand, headers.source) == (2.0, None, "strict.toml:4")
    assert latency.demand == Threshold(stat="p99", op="<=", value=300.0, unit="ms")
    assert (latency.select.subject, latency.needs, latency.target, latency.required) == ("ALL", "cache", "shop", False)


MISTAKES = [
    ("schema = 1", "", "FILE: schema: is missing; `schema = 1` was expected"),
    ("max_flaky = 1", "retries = 11", "FILE:2: retries: a number from 0 to 10 was expected, not 11"),
    ("max_flaky = 1", "max_flaky = -1", "FILE:2: max_flaky: a number from 0 to 1,000,000,000 was expected, not -1"),
    ("max_flaky = 1", "retries = 1.5", "FILE:2: retries: a whole number was expected"),
    ("max_flaky = 1", "max_flakey = 1", "FILE:2: max_flakey: unknown key; did you mean 'max_flaky'?"),
    ("max_flaky = 1", 'extends = "nothing"', "FILE:2: extends: nowhere/policies/nothing.toml: no policy 'nothing'"),
    ("weight = 2", "weight = 0", "FILE:9: criterion[1].weight: a weight above 0 and at most 1,000,000,000 was"),
    ("weight = 2", "weight = -inf", "FILE:9: criterion[1].weight: a finite number was expected, not -inf"),
    ("weight = 2", "weight = nan", "FILE:9: criterion[1].weight: a finite number was expected, not nan"),
    ("weight = 2", "wieght = 2", "FILE:9: criterion[1].wieght: unknown key; did you mean 'weight'?"),
    ('"<="', '"=<"', "FILE:16: criterion[2].demand.op: '=<' is not one of its words; "),
    ("value = 300", "valeu = 300", "FILE:16: criterion[2].demand.valeu: unknown key; did you mean 'value'?"),
    ("value = 300", "value = nan", "FILE:16: criterion[2].demand.value: a finite number was expected, not nan"),
    (', unit = "ms"', "", "FILE:16: criterion[2].demand.unit: is missing"),
    ("weight = 2", 'demand = "all passes"', 'FILE:9: criterion[1].demand: "all pass" or {stat, op, value, unit} was'),
    ("weight = 2", "demand = 5", "FILE:9: criterion[1].demand: text in quotes or a table was expected, not the number"),
    ("min_n = 100", "min_n = 0", "FILE:17: criterion[2].min_n: a number from 1 to 1,000,000,000 was expected"),
    ('needs = "cache"', 'needs = "cahce"', "FILE:18: criterion[2].needs: unknown word 'cahce'; did you mean 'cache'?"),
    (
        '"load.latency"\narea',
        '"security.headers"\narea',
        "FILE:13: criterion[2].id: the id 'security.headers' was used",
    ),
    ('id = "load.latency"', 'id = "Load Latency"', "FILE:13: criterion[2].id: 'Load Latency' is no id"),
    ('id = "load.latency"\n', "", "FILE:12: criterion[2].id: is missing"),
    ('area = "load"', 'area = ""', "FILE:14: criterion[2].area: an area was expected"),
    (
        '"load.latency", subject',
        '"load latency", subject',
        "FILE:15: criterion[2].select.check: a check id was expected",
    ),
    ('check = "load.latency"', "check = []", "FILE:15: criterion[2].select.check: an empty list selects nothing"),
    ('check = "load.latency"', 'chek = "load"', "FILE:15: criterion[2].select.chek: unknown key; did you mean 'check'"),
    ("max_flaky = 1", "max_flaky = 1\nrequired = false", "FILE:3: required: unknown key"),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES, ids=[f"{new[:28]!r}" for _, new, _ in MISTAKES])
def test_a_mistake_gets_one_line_with_file_line_key_and_what_was_expected(write, old, new, said):
    assert old in POLICY
    assert message_of(write(POLICY.replace(old, new, 1))).startswith(said)


class TestRefused:
    """What could never be a NO-GO is no policy."""

    def test_no_policy(self):
        assert "did you mean 'quick'?" in message_of("qiuck", root())

    def test_no_file(self, tmp_path):
        assert "no policy" in message_of(str(tmp_path / "none.toml"), root())

    def test_no_criteria(self, write):
        assert message_of(write("schema = 1")) == "FILE: has no [[criterion]]: it would demand nothing"

    def test_none_that_is_required(self, write):
        text = POLICY.replace("weight = 2", "required = false")
        assert message_of(write(text)).startswith("FILE: no criterion is required")

    def test_nothing_but_the_start(self, write):
        text = 'schema = 1\n[[criterion]]\nid = "startup"\narea = "startup"\nselect = { check = "startup" }'
        assert message_of(write(text)).startswith("FILE: no criterion is required")

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            ("waivable", "waivable = true"),
            ("required", "required = false"),
            ("target", 'target = "shop"'),
            ("needs", 'needs = "mail"'),
            ("allow_skip", 'allow_skip = ["*"]'),
            ("demand", 'demand = { stat = "s", op = "<", value = 1, unit = "s" }'),
            ("select", 'select = { check = "start*" }'),
            ("select", 'select = { check = "startup", suite = "gate" }'),
        ],
    )
    def test_a_weaker_startup(self, write, key, words):
        select = "" if key == "select" else 'select = { check = "startup" }\n'
        entry = f'[[criterion]]\nid = "startup"\narea = "startup"\n{select}{words}\n'
        said = message_of(write(POLICY + entry))
        assert said.startswith("FILE:")
        assert f"criterion[3].{key}: criterion 'startup' selects" in said

    def test_a_startup_in_other_words_is_welcome(self, write):
        entry = '[[criterion]]\nid = "startup"\narea = "start"\nselect = { check = "startup" }\nweight = 5\n'
        startup = load_policy(write(POLICY + entry), Path("nowhere")).criteria[-1]
        assert (startup.weight, startup.required, startup.waivable) == (5.0, True, False)


class TestExtends:
    def test_criteria_of_the_child_replace_those_of_the_same_id(self, write):
        write(POLICY, "base.toml")
        child = (
            'schema = 1\nextends = "./base.toml"\nclean_build = true\n'
            '[[criterion]]\nid = "load.latency"\narea = "load"\nselect = { check = "load.latency" }\n'
            '[[criterion]]\nid = "new"\narea = "load"\nselect = { check = "cookies" }\n'
        )
        policy = load_policy(write(child), Path("nowhere"))
        assert [one.id for one in policy.criteria] == ["startup", "security.headers", "load.latency", "new"]
        assert (policy.criteria[2].demand, policy.criteria[2].required) == (None, True)
        assert (policy.max_flaky, policy.clean_build, policy.name) == (1, True, "strict")

    def test_a_child_may_take_back_what_its_parent_says(self, write):
        write(POLICY.replace("max_flaky = 1", "max_flaky = 1\nclean_build = true"), "base.toml")
        policy = load_policy(write('schema = 1\nextends = "./base.toml"\nmax_flaky = 0\nclean_build = false'), Path())
        assert (policy.max_flaky, policy.clean_build) == (0, False)

    def test_a_circle_is_told_with_its_members(self, write):
        write('schema = 1\nextends = "./strict.toml"', "other.toml")
        said = message_of(write('schema = 1\nextends = "./other.toml"'))
        assert said.endswith(
            "other.toml:2: extends: extends itself in a circle: strict.toml → other.toml → strict.toml"
        )

    def test_one_of_ours_can_be_extended_by_name(self, write):
        policy = load_policy(write('schema = 1\nextends = "quick"'), root())
        assert {one.id for one in load_policy("quick", root()).criteria} == {one.id for one in policy.criteria}

    def test_a_file_that_borrows_our_policys_name_is_called_by_its_path(self, write):
        given = write(POLICY, "quick.toml")
        assert load_policy(given, root()).name == given
        assert load_policy("quick", root()).name == "quick"


class TestShipped:
    @pytest.mark.parametrize("name", ["quick", "release", "web"])
    def test_every_criterion_of_ours_says_what_it_requires(self, name):
        policy = load_policy(name, root())
        assert all(one.requires.endswith(".") for one in policy.criteria)
        assert policy.max_flaky == 0
        assert load_waivers(root() / "policies" / "waivers.toml", policy) == ()

    def test_release_demands_all_that_quick_does(self):
        quick = {one.id: one for one in load_policy("quick", root()).criteria}
        release = {one.id: one for one in load_policy("release", root()).criteria}
        assert set(quick) <= set(release)
        assert all(release[name].required for name, one in quick.items() if one.required)
        assert load_policy("release", root()).clean_build

    def test_what_knows_no_target_asks_for_nothing_of_dealradar(self):
        for one in load_policy("release", root()).criteria:
            assert one.target == "dealradar" or not {"api.*", "metrics.*"} & set(one.select.checks)


class TestSelects:
    def policy(self, write, old="", new=""):
        return load_policy(write(POLICY.replace(old, new, 1)), Path("nowhere"))

    def test_patterns_that_match_a_check_are_accepted(self, write):
        policy = self.policy(write)
        assert check_selects(policy, KNOWN) is None

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (
                '"headers.*"',
                '"haeders.*"',
                "strict.toml:4: criterion 'security.headers': select: 'haeders.*' matches no",
            ),
            ('"cookies"', '"cookie"', "'cookie' matches no check of suite security; did you mean 'cookies'?"),
            ('suite = "security"', 'suite = "securty"', "no suite 'securty'; did you mean 'security'?"),
            ('suite = "security"', 'suite = "load"', "'headers.*' matches no check of suite load"),
        ],
    )
    def test_one_that_matches_nothing_names_the_nearest(self, write, old, new, said):
        with pytest.raises(ConfigError) as caught:
            check_selects(self.policy(write, old, new), KNOWN)
        assert said in caught.value.message

    def test_criteria_of_other_targets_are_left_alone(self, write):
        policy = self.policy(write)
        known = {check: suites for check, suites in KNOWN.items() if check != "load.latency"}
        assert check_selects(policy, known, target="other") is None
        with pytest.raises(ConfigError, match=r"load\.latency"):
            check_selects(policy, known, target="shop")

    def test_computed_parts_of_check_ids_match(self, write):
        policy = self.policy(write, '"headers.*"', '"headers.csp.img"')
        assert check_selects(policy, KNOWN | {"headers.*.img": frozenset({"security"})}) is None

    @pytest.mark.parametrize(
        ("one", "other", "meets"),
        [
            ("a.*", "a.b", True),
            ("a.*", "*.b", True),
            ("a.*", "b.*", False),
            ("a?c", "abc", True),
            ("a?c", "ac", False),
            ("*", "", True),
            ("?", "", False),
            ("a*b*c", "axbyc", True),
            ("ab*", "a", False),
        ],
    )
    def test_patterns_overlap_if_a_text_matches_both(self, one, other, meets):
        assert overlap(one, other) is meets
        assert overlap(other, one) is meets

    @given(
        text=st.text("ab", max_size=6), cuts=st.lists(st.tuples(st.integers(0, 6), st.sampled_from("*?")), max_size=3)
    )
    def test_a_pattern_made_from_a_text_overlaps_with_it(self, text, cuts):
        pattern = list(text)
        for place, wildcard in cuts:
            if wildcard == "*":
                pattern.insert(min(place, len(pattern)), "*")
            elif place < len(pattern) and pattern[place] != "*":
                pattern[place] = "?"
        assert overlap("".join(pattern), text)


class TestWaivers:
    WAIVER = """\
[[waiver]]
criterion = "security.headers"
owner = "jane"
reason = "the proxy sets it"
expires = 2026-03-01
"""

    @pytest.fixture
    def policy(self, write):
        return load_policy(write(POLICY.replace("weight = 2", "waivable = true")), Path("nowhere"))

    def waivers(self, tmp_path, text):
        path = tmp_path / "waivers.toml"
        path.write_text(text, encoding="utf-8")
        return path

    @pytest.mark.parametrize("day", ["2026-03-01", '"2026-03-01"'])
    def test_a_waiver_is_read(self, tmp_path, policy, day):
        text = self.WAIVER.replace("2026-03-01", day)
        (waiver,) = load_waivers(self.waivers(tmp_path, text), policy)
        assert (waiver.criterion, waiver.owner, waiver.expires, waiver.target) == (
            "security.headers",
            "jane",
            "2026-03-01",
            None,
        )

    def test_no_file_is_no_waiver(self, tmp_path, policy):
        assert load_waivers(tmp_path / "waivers.toml", policy) == ()

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('owner = "jane"\n', "", "waivers.toml:1: waiver[1].owner: is missing"),
            ('"jane"', '" "', "waivers.toml:3: waiver[1].owner: is empty"),
            ('reason = "the proxy sets it"\n', "", "waiver[1].reason: is missing"),
            ("expires = 2026-03-01\n", "", "waiver[1].expires: is missing"),
            (
                "2026-03-01",
                '"soon"',
                "waivers.toml:5: waiver[1].expires: a date such as 2027-01-31 was expected, not soon",
            ),
            ("2026-03-01", "2026-03-01T00:00:00", "waiver[1].expires: a date such as"),
            ("2026-03-01", "90", "waiver[1].expires: a date such as"),
            (
                '"security.headers"',
                '"security.haeders"',
                "no criterion 'security.haeders'; did you mean 'security.head",
            ),
            ('"security.headers"', '"startup"', "criterion 'startup' cannot be waived"),
            ("owner", "ownr", "waiver[1].ownr: unknown key; did you mean 'owner'?"),
        ],
    )
    def test_one_that_could_never_be_in_force_is_refused(self, tmp_path, policy, old, new, said):
        path = self.waivers(tmp_path, self.WAIVER.replace(old, new, 1))
        with pytest.raises(ConfigError) as caught:
            load_waivers(path, policy)
        assert said in caught.value.message

    def test_a_criterion_of_another_policy_beside_the_file_may_be_named(self, tmp_path, policy, write):
        text = self.WAIVER.replace("security.headers", "only.elsewhere")
        path = self.waivers(tmp_path, text)
        with pytest.raises(ConfigError, match="no criterion"):
            load_waivers(path, policy)
        write(POLICY.replace('id = "load.latency"', 'id = "only.elsewhere"'), "other.toml")
        assert load_waivers(path, policy)[0].criterion == "only.elsewhere"


class TestDocuments:
    def test_a_run_gives_back_what_was_put_in(self, tmp_path, write):
        policy = load_policy(write(POLICY), Path("nowhere"))
        path = tmp_path / "waivers.toml"
        path.write_text(TestWaivers.WAIVER, encoding="utf-8")
        waivers = load_waivers(path, policy)
        assert policy_from_document(policy_document(policy)) == policy
        assert waivers_from_document(waivers_document(waivers)) == waivers

    @pytest.mark.parametrize("document", [{}, {"name": "x", "criteria": 5}, {"name": "x", "criteria": [{"id": "a"}]}])
    def test_what_is_no_policy_is_a_broken_run(self, document):
        with pytest.raises(BrokenRunError, match=r"policy\.json"):
            policy_from_document(document)

    @pytest.mark.parametrize("document", [{}, {"waivers": 5}, {"waivers": [{"criterion": "a"}]}])
    def test_what_are_no_waivers_is_a_broken_run(self, document):
        with pytest.raises(BrokenRunError, match=r"waivers\.json"):
            waivers_from_document(document)


def test_the_shipped_policies_select_checks_that_exist():
    from harness.jobs.gate_plan import known_checks, suites_of

    target = load_target("dealradar", root())
    known = known_checks(suites_of(target))
    for name in ("quick", "release", "web"):
        assert check_selects(load_policy(name, root()), known, target="dealradar") is None


class TestNumbers:
    """What a criterion demands of a number is held against what is measured."""

    MEASURED = (
        Measurement("load.latency", "p95", "ms"),
        Measurement("load.latency", "p99", "ms"),
        Measurement("sizes.*", "*", "*"),
    )
    KNOWN = KNOWN | {"sizes.page": frozenset({"load"}), "foreign.figure": frozenset({"load"})}

    def refusal_of(self, write, check: str, stat: str, unit: str = "ms") -> str:
        text = POLICY.replace('check = "load.latency"', f'check = "{check}"')
        text = text.replace('stat = "p99"', f'stat = "{stat}"').replace('unit = "ms"', f'unit = "{unit}"')
        with pytest.raises(ConfigError) as caught:
            check_selects(load_policy(write(text), Path("nowhere")), self.KNOWN, measured=self.MEASURED)
        return caught.value.message

    @pytest.mark.parametrize(
        ("check", "stat", "unit", "said"),
        [
            ("load.latency", "P95", "ms", "did you mean 'p95'?"),
            ("load.latency", "p75", "ms", "did you mean 'p95'?"),
            ("load.latency", "median", "ms", "known: p95, p99"),
            ("load.latency", "p99", "s", "is measured in 'ms', not in 's'"),
            ("load.latency", "p99", "MS", "is measured in 'ms', not in 'MS'"),
            ("foreign.figure", "P99", "ms", "did you mean 'p99'?"),
        ],
    )
    def test_a_number_that_nothing_measures_is_refused_with_the_nearest(self, write, check, stat, unit, said):
        assert said in self.refusal_of(write, check, stat, unit)

    @pytest.mark.parametrize(
        ("check", "stat", "unit"),
        [("load.latency", "p95", "ms"), ("sizes.page", "mean", "kB"), ("foreign.figure", "turnover", "EUR")],
    )
    def test_one_that_may_be_measured_is_taken(self, write, check, stat, unit):
        text = POLICY.replace('check = "load.latency"', f'check = "{check}"')
        text = text.replace('stat = "p99"', f'stat = "{stat}"').replace('unit = "ms"', f'unit = "{unit}"')
        policy = load_policy(write(text), Path("nowhere"))
        assert check_selects(policy, self.KNOWN, measured=self.MEASURED) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('suite = "security" }', 'suite = "security", severity = "hihg" }', "did you mean 'high'?"),
        ('suite = "security" }', 'suite = "security", severity = ["critcal"] }', "did you mean 'critical'?"),
        ("min_n = 100", "budget = 3", "counts checks that fail"),
        ('subject = "ALL" }', 'subject = "ALL", severity = "high" }', "numbers have no severity"),
        ('target = "shop"', 'target = "Shop"', "is the name of no target"),
        ("weight = 2", "budget = -1", "a number from 0"),
    ],
)
def test_words_of_severity_and_budget_are_checked(write, old, new, said):
    assert old in POLICY
    assert said in message_of(write(POLICY.replace(old, new)))
