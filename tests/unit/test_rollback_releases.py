"""Which release a rollback goes to: of the profile, of what ran before, or of git; and what a profile may say of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config import load_target
from harness.errors import ConfigError, UsageError
from harness.model import Release, Releases, ReleaseSource, Target
from harness.rollback import named_release
from harness.rollback.drill import why_no_drill
from harness.rollback.releases import fetch_code, find_release
from tests.released_service import Released


@pytest.fixture
def service(tmp_path: Path) -> Released:
    return Released(tmp_path)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def profile_of(service: Released) -> Target:
    return load_target(str(service.folder / "released.toml"), service.folder)


def commit_at(service: Released, ref: str) -> str:
    words = ["git", "-C", str(service.folder), "rev-parse", ref]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def running(service: Released, **more: str) -> Release:
    return Release(name="now", commit=commit_at(service, "two"), cwd=str(service.folder / "service"), settings=more)


def test_code_goes_to_what_ran_before_else_to_the_profiles_else_to_the_newest_other_tag(service):
    profile, now = profile_of(service), running(service)
    assert find_release(profile, [now], "code", None).commit == commit_at(service, "one")
    service.release("three")
    service.git("tag", "three")
    later = replace(now, commit=commit_at(service, "three"))
    assert find_release(profile, [later], "code", None).name == "two"
    said = replace(profile, releases=Releases(previous="one"))
    assert find_release(said, [later], "code", None).name == "one"
    ran = Release(name="ran", cwd="/elsewhere", settings={"A": "1"})
    found = find_release(said, [ran, replace(later, settings={"B": "2"})], "code", None)
    assert (found.name, found.cwd, dict(found.settings)) == ("ran", "/elsewhere", {"B": "2"})


def test_settings_go_to_the_newest_other_ones_of_the_same_code(service):
    profile = profile_of(service)
    history = [running(service), running(service, A="1"), Release(name="other", cwd="/x", settings={"C": "3"})]
    history += [running(service, A="2"), running(service, A="3")]
    assert dict(find_release(profile, history, "config", None).settings) == {"A": "2"}
    assert find_release(profile, history, "config", None).commit == commit_at(service, "two")
    calm = Releases(named={"calm": ReleaseSource(settings={"D": "4"})})
    assert dict(find_release(replace(profile, releases=calm), history, "config", "calm").settings) == {"D": "4"}


@pytest.mark.parametrize("ref", ["none", "--help", "two^{tree}", "../x", ""])
def test_what_is_no_release_is_named(service, ref):
    with pytest.raises(UsageError, match="no release"):
        named_release(profile_of(service), ref, running(service))


def test_code_of_a_commit_is_had_from_git_and_what_was_edited_since_is_not_taken_for_it(service):
    profile, now = profile_of(service), running(service)
    assert fetch_code(profile, now).cwd == now.cwd
    (service.folder / "service" / "service.py").write_text("edited")
    fetched = fetch_code(profile, now)
    assert fetched.cwd != now.cwd
    assert 'RELEASE = "two"' in Path(fetched.cwd, "service.py").read_text()
    assert fetch_code(profile, fetched) == fetched
    one = fetch_code(profile, named_release(profile, "one", now))
    assert 'RELEASE = "one"' in Path(one.cwd, "service.py").read_text()
    assert (service.folder / "service" / "service.py").read_text() == "edited"


def test_a_release_that_is_older_than_the_service_is_named(service):
    service.git("checkout", "-q", "--orphan", "empty")
    service.git("rm", "-rfq", "--cached", ".")
    service.git("commit", "-q", "--allow-empty", "-m", "nothing")
    profile = profile_of(service)
    with pytest.raises(UsageError, match="does not give service/"):
        fetch_code(profile, named_release(profile, "HEAD", running(service)))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[releases.named.a]\nref = "one"\nfolder = "service"', "one of ref and folder was expected, found both"),
        ('[releases.named.a]\nfolder = "nowhere"', "no such folder"),
        ('[releases.named.a]\nref = "--upload-pack=x"', "is no name of a tag, branch or commit"),
        ('[releases]\nprevious = "-x"', "is no name of a tag, branch or commit"),
        ('[releases.drill]\npatch = "none.patch"', "no such file"),
        ('[releases.drill]\nmigration = "none.sql"', "no such file"),
        ('[releases.drill]\nsettings = { "A B" = "1" }', "cannot be the name of an environment variable"),
        ('[releases]\nexpand_only = ["0001_a"]', "needs [preflight] migrations"),
        ('[releases]\nprevios = "one"', "previous"),
    ],
)
def test_a_table_that_cannot_be_is_named_with_its_key(service, more, said):
    service.profile(more=more)
    with pytest.raises(ConfigError) as error:
        profile_of(service)
    assert said in error.value.message
    assert "releases" in error.value.message


def test_a_profile_without_the_table_has_no_drills(service):
    service.profile(more="")
    assert why_no_drill(profile_of(service), "code") == "the profile has no table [releases]"
    service.profile(more='[releases.drill]\nsettings = { A = "1" }')
    assert why_no_drill(profile_of(service), "config") is None
    assert "patch" in (why_no_drill(profile_of(service), "code") or "")
    assert "no postgres of ours" in (why_no_drill(profile_of(service), "full") or "")
    service.profile(
        needs='"postgres"', service='env = { STORE = "{database_url}" }', more='[releases]\nprevious = "one"'
    )
    assert "[releases.drill] migration" in (why_no_drill(profile_of(service), "full") or "")
