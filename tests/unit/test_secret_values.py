"""What of a profile and of settings is a secret, and what a run keeps of it."""

from __future__ import annotations

import json
import stat
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import load_target, target_document, target_from_document
from harness.machine.archives import clean_archive
from harness.machine.bundle import root
from harness.machine.redaction import Redactor
from harness.machine.secret_values import (
    is_harmless,
    kept_profile,
    learn_target,
    looks_secret,
    setting_secrets,
    value_secrets,
)
from harness.model import Auth, PlantedRelease, Releases, ReleaseSource, Role, Service, Target
from harness.run import create_run
from harness.run.access import share_runs
from tests.growth import grows_faster_than_its_text


@pytest.mark.parametrize(
    "value",
    [
        *("false", "3600", "info", "production-eu-west", "text/html; charset=utf-8", "https://app.dealradar.test"),
        *(
            "http://127.0.0.1:41234",
            "127.0.0.1",
            "10.0.0.0/8",
            "/var/lib/app/data",
            "noreply@example.org",
            "64MB",
            "1.5",
        ),
        *(
            "Europe/Berlin",
            "smtp://127.0.0.1:2525",
            "2026-01-01T00:00:00Z",
            "redis://cache:6379/0",
            "postgres://app@db/app",
        ),
        *("default-src 'self'", "app.main:create_app", "::1", "en_US.UTF-8", "sqlite:///data/app.db"),
    ],
)
def test_a_plain_value_is_no_secret(value):
    assert is_harmless(value)
    assert list(setting_secrets({"PLAIN": value})) == []


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("ZZsalt-abcdef", "ZZsalt-abcdef"),
        ("correct-horse-battery-staple", "correct-horse-battery-staple"),
        ("sk_live_51H8abcdEFG", "sk_live_51H8abcdEFG"),
        ("0123456789abcdef0123", "0123456789abcdef0123"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("amqp://guest:hunter2-pw@127.0.0.1:9/vh", "hunter2-pw"),
        ("amqp://a:hunter2-pw@h1,amqp://b:hunter3-pw@h2", "hunter3-pw"),
        ("https://k3y0f5entry99@o0.ingest.sentry.io/12", "k3y0f5entry99"),
        ("https://hooks.example.com/services/T0001/XXXXyyyy1234zzz", "XXXXyyyy1234zzz"),
        ("https://example.com/?sig=a9f8e7d6c5b4a3", "a9f8e7d6c5b4a3"),
        ("host=db password=swordfish user=app", "swordfish"),
        ('{"apiKey": "k3y-abc-123-def", "debug": true}', "k3y-abc-123-def"),
        ("Passw0rd!", "Passw0rd!"),
    ],
)
def test_any_other_value_is_one_whatever_its_name(value, secret):
    assert not is_harmless(value)
    assert secret in list(value_secrets(value))
    redact = Redactor()
    redact.learn(setting_secrets({"PLAIN": value}))
    assert secret not in redact(f"got {secret} there")


@pytest.mark.parametrize(
    "name",
    [
        "STRIPE_KEY",
        "DB_PASS",
        "PASSPHRASE",
        "SALT",
        "ADMIN_PW",
        "API_TOKEN",
        "client_secret",
        "apiKey",
        "dbpassword",
        "JWT",
    ],
)
def test_a_plain_word_is_one_where_its_name_says_so(name):
    assert looks_secret(name)
    assert list(setting_secrets({name: "swordfish"})) == ["swordfish"]


@pytest.mark.parametrize(
    "name", ["TOKEN_URL", "TOKEN_TTL_SECONDS", "KEY_FILE", "SESSION_COOKIE_NAME", "MONKEY", "keyboard"]
)
def test_a_name_that_speaks_about_a_secret_holds_none(name):
    assert not looks_secret(name)


@given(st.text(max_size=300), st.text(max_size=30))
def test_no_value_raises(value, name):
    list(setting_secrets({name: value}))
    Redactor().learn(value_secrets(value))


@pytest.mark.parametrize("unit", ["a", "a.", "a=", "a://", "://", "a/", "token=a;", "{", "1", "A1"])
def test_a_value_is_looked_at_in_linear_time(unit):
    assert not grows_faster_than_its_text(
        lambda text: list(setting_secrets({"PLAIN": text})), lambda n: unit * (n // len(unit))
    )


def target(**more):
    env = {"BROKER": "amqp://guest:hunter2-pw@127.0.0.1/", "SALT": "swordfish", "LEVEL": "info", "DB": "{database_url}"}
    body = {"user": "{username}", "password": "{password}", "client_secret": "hunter4-pw", "scope": "read"}
    roles = {
        "admin": Role(username="admin", password="{env.ADMIN_PW}"),
        "user": Role(username="u", password="hunter5-pw"),
    }
    command = ("serve", "--api-key", "hunter6-pw", "--pass={secret.X}", "--dsn=amqp://g:hunter7-pw@h/")
    service = Service(command=command, env=env)
    return Target(name="x", source="", service=service, auth=Auth(login="/login", body=body, roles=roles), **more)


SECRETS = ("hunter2-pw", "swordfish", "hunter3-pw", "hunter4-pw", "hunter5-pw", "hunter6-pw", "hunter7-pw")


def test_a_target_is_learned_with_what_it_names_of_the_environment(monkeypatch):
    monkeypatch.setenv("ADMIN_PW", "hunter3-pw")
    redact = Redactor()
    learn_target(redact, target())
    text = " ".join(SECRETS)
    assert redact(text) == " ".join(["***"] * len(SECRETS))


def test_a_run_keeps_a_profile_without_its_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("ADMIN_PW", "hunter3-pw")
    run = create_run(
        tmp_path,
        kind="gate",
        target=target(),
        policy=None,
        commit=None,
        documents={"profile": target_document(target())},
    )
    everything = "".join(file.read_text(encoding="utf-8") for file in run.path.rglob("*.json*"))
    assert [secret for secret in SECRETS if secret in everything] == []
    kept = target_from_document(json.loads((run.path / "profile.json").read_text(encoding="utf-8")))
    assert kept.service.env == {"BROKER": "***", "SALT": "***", "LEVEL": "info", "DB": "{database_url}"}
    assert kept.auth.body["password"] == "{password}"
    assert kept.auth.roles["admin"].password == "{env.ADMIN_PW}"
    assert kept.auth.roles["user"].password == "***"


def test_settings_of_releases_are_kept_and_learned_as_those_of_the_service():
    settings = {"SECRET_KEY": "b4c1-long-enough-to-be-one", "LEVEL": "bad"}
    made = Releases(named={"blue": ReleaseSource(settings=settings)}, drill=PlantedRelease(settings=settings))
    found = replace(target(), releases=made)
    kept = kept_profile(target_document(found))["releases"]
    assert [kept["drill"]["settings"], kept["named"]["blue"]["settings"]] == [{"SECRET_KEY": "***", "LEVEL": "bad"}] * 2
    redact = Redactor()
    learn_target(redact, found)
    assert settings["SECRET_KEY"] not in redact(f"it was {settings['SECRET_KEY']}")


def test_the_reference_profile_loses_nothing():
    found = load_target("dealradar", root())
    assert kept_profile(target_document(found)) == target_document(found)


@pytest.mark.parametrize(("shared", "mode"), [(False, 0o700), (True, 0o755)])
def test_a_run_is_its_users_own_unless_it_is_shared(tmp_path, monkeypatch, shared, mode):
    monkeypatch.delenv("HARNESS_SHARE_RUNS", raising=False)
    share_runs(shared=shared)
    run = create_run(tmp_path, kind="gate", target=None, policy=None, commit=None, documents={})
    assert stat.S_IMODE(run.path.stat().st_mode) == mode
    share_runs(shared=False)


def test_an_archive_loses_its_secrets_and_nothing_else(tmp_path):
    path = tmp_path / "x.trace.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("trace.trace", json.dumps({"params": {"value": "hunter2-pw"}}) + "\n")
        archive.writestr("resources/picture", b"\xff\xfe hunter2-pw")
        archive.writestr("resources/other", b"\xff\xfe")
    redact = Redactor()
    redact.learn(["hunter2-pw"])
    assert clean_archive(path, redact) == "secrets were taken out of 2 of its 3 files"
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("trace.trace")) == {"params": {"value": "***"}}
        assert archive.read("resources/picture") == b"\xff\xfe ***"
        assert archive.read("resources/other") == b"\xff\xfe"
    assert clean_archive(path, redact) is None
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_that_cannot_be_searched_is_removed(tmp_path):
    path = tmp_path / "x.trace.zip"
    path.write_bytes(b"PK hunter2-pw")
    assert "removed" in str(clean_archive(path, Redactor()))
    assert not path.exists()
    # one that unpacks to more than is read of one
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("trace.trace", bytes(65 * 2**20))
    assert "removed" in str(clean_archive(path, Redactor()))
    assert not path.exists()
