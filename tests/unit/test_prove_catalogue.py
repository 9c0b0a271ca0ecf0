"""What a catalogue may say: everything wrong is told with its file, line and the nearest right word, before a start."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.config import generic_target, load_target
from harness.errors import ConfigError
from harness.machine.bundle import root
from harness.prove.catalogue import choose_defects, load_catalogue
from harness.prove.plan import ProofRequest, make_proof_plan
from tests.judging import criterion, policy

CHECKS = frozenset({"cors.origin", "cors.vary", "headers.hsts"})
POLICY = policy(criterion("cors.*", id="security.cors"), criterion("headers.*", id="security.headers"))
PATCH = "--- a/service/app.py\n+++ b/service/app.py\n@@ -1 +1 @@\n-a\n+b\n"
ABOUT = 'area = "security"\ntitle = "A title"\nwhy = "Somebody was in a hurry."\n'
GOOD = f"""id = "cors-suffix"
kind = "patch"
{ABOUT}patch = "change.patch"
expect = {{ criterion = "security.cors", check = "cors.origin" }}
"""
WIRE = f"""id = "hsts-gone"
kind = "wire"
{ABOUT}operator = "drop-header"
args = {{ header = "strict-transport-security" }}
expect = {{ criterion = "security.headers" }}
"""
LIE = f"""id = "no-policy"
kind = "gate"
{ABOUT}lie = "no-policy-file"
expect = {{ exit = 2, says = "no policy" }}
"""


def put(folder: Path, name: str, text: str, patch: str = PATCH) -> None:
    """Write one defect."""
    (folder / name).mkdir(parents=True)
    (folder / name / "defect.toml").write_text(text)
    (folder / name / "change.patch").write_text(patch)


def load(folder: Path):
    return load_catalogue(folder, POLICY, CHECKS, "service")


def test_defects_of_each_kind_are_read(tmp_path):
    for name, text in (("a", GOOD), ("deep/b", WIRE), ("c", LIE)):
        put(tmp_path, name, text)
    found = load(tmp_path)
    assert [(one.kind, one.id) for one in found] == [
        ("gate", "no-policy"),
        ("patch", "cors-suffix"),
        ("wire", "hsts-gone"),
    ]
    assert found[2].args == {"header": "strict-transport-security"}
    assert found[1].expect.status == "fail"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace("security.cors", "security.corse"), "did you mean 'security.cors'?"),
        (GOOD.replace("cors.origin", "cors.origine"), "did you mean 'cors.origin'?"),
        (GOOD.replace("cors.origin", "headers.hsts"), "does not look at 'headers.hsts'"),
        (GOOD.replace('"change.patch"', '"other.patch"'), "cannot be read"),
        (GOOD.replace("patch = ", "pach = "), "unknown key; did you mean 'patch'?"),
        (GOOD.replace('kind = "patch"', 'kind = "path"'), "did you mean 'patch'?"),
        (GOOD.replace('patch = "change.patch"\n', ""), "patch: is missing"),
        (GOOD.replace("Somebody was in a hurry.", " "), "some words were expected"),
        (GOOD.replace("cors-suffix", "Cors Suffix"), "is no id"),
        (GOOD + 'lie = "x"\n', "belongs to defects of kind 'gate'"),
        (GOOD.replace("criterion = ", 'status = "fial", criterion = '), "did you mean 'fail'?"),
        (GOOD.replace("criterion = ", "exit = 1, criterion = "), "nothing else"),
        (WIRE.replace("drop-header", "drop-heder"), "did you mean 'drop-header'?"),
        (WIRE.replace("{ header", "{ heder"), "heder"),
        (LIE.replace("no-policy-file", "no-policy-fil"), "did you mean 'no-policy-file'?"),
        (LIE.replace("exit = 2", "exit = 0"), "proves nothing"),
        (LIE.replace(', says = "no policy"', ""), "says: is missing"),
        (LIE.replace("exit = 2, ", ""), "either an exit status or a criterion"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, says):
    put(tmp_path, "one", text)
    with pytest.raises(ConfigError) as raised:
        load(tmp_path)
    assert says in raised.value.message
    assert str(tmp_path / "one") in raised.value.message


@pytest.mark.parametrize(
    "patch",
    [
        PATCH.replace("service/app.py", "harness/jobs/gate.py"),
        PATCH.replace("service/app.py", "service/../harness/gate.py"),
        PATCH.replace("a/service/app.py", "/etc/passwd"),
        PATCH + "rename from service/a.py\nrename to tests/a.py\n",
    ],
)
def test_a_patch_touches_the_service_alone(tmp_path, patch):
    put(tmp_path, "one", GOOD, patch)
    with pytest.raises(ConfigError, match="outside service/"):
        load(tmp_path)


def test_a_patch_that_is_none(tmp_path):
    put(tmp_path, "one", GOOD, "hello\n")
    with pytest.raises(ConfigError, match="no unified diff"):
        load(tmp_path)


def test_two_equal_ids(tmp_path):
    put(tmp_path, "one", GOOD)
    put(tmp_path, "two", GOOD)
    with pytest.raises(ConfigError, match=r"two/defect\.toml.*'cors-suffix' is used in .*one"):
        load(tmp_path)


def test_an_empty_catalogue(tmp_path):
    with pytest.raises(ConfigError, match="proves nothing"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        load(tmp_path / "absent")


def test_defects_are_chosen_by_kind_area_and_id(tmp_path):
    for name, text in (("a", GOOD), ("b", WIRE), ("c", LIE)):
        put(tmp_path, name, text)
    found = load(tmp_path)
    assert [one.id for one in choose_defects(found, kinds=["wire"])] == ["hsts-gone"]
    assert [one.id for one in choose_defects(found, only=["cors-*", "no-policy"])] == ["no-policy", "cors-suffix"]
    assert len(choose_defects(found, areas=["security"])) == 3
    with pytest.raises(ConfigError, match="did you mean 'hsts-gone'"):
        choose_defects(found, only=["hsts-gon"])


def test_our_own_catalogue_is_sound(tmp_path):
    target = load_target("dealradar", root())
    request = ProofRequest(policy="quick")
    plan = make_proof_plan(target, request, overrides={}, out=tmp_path)
    counts = Counter(one.kind for one in plan.defects)
    assert counts["patch"] >= 30
    assert counts["wire"] >= 30
    assert counts["gate"] >= 15
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["examples/flask/profile.toml", ""], ids=["another service", "a URL"])
def test_our_own_catalogue_can_be_tried_on_others(tmp_path, name):
    url = "" if name else "http://127.0.0.1:1"
    target = load_target(str(root() / name), root()) if name else generic_target(url)
    plan = make_proof_plan(target, ProofRequest(policy="quick", kinds=("wire",)), overrides={}, url=url, out=tmp_path)
    assert {one.kind for one in plan.defects} == {"wire"}
    assert len(plan.defects) >= 30
