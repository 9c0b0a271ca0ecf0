"""Thirty secrets in thirty places: none in the run, on a terminal, in arguments of processes or in a folder left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.machine.bundle import root

SERVICE = Path(__file__).parents[1] / "canary_service.py"
NAMES = (
    *("stripe", "db", "phrase", "salt", "pepper", "pw", "token", "cookie", "amqp", "sentry", "hook", "query", "config"),
    *(
        "dsn",
        "list",
        "pem",
        "greeting",
        "uuid",
        "override",
        "client",
        "scope",
        "role",
        "caller",
        "user",
        "basic",
        "hmac",
    ),
    *("license", "signing", "private", "plain"),
)
CANARY = {name: f"ZZ{name}ZZ-9f8e7d6c5b{number:02}" for number, name in enumerate(NAMES)}
PROFILE = """\
schema = 1
name = "canaries"

[service]
command = ["python", "service.py"]
dockerfile = "Dockerfile"
container_port = 8123

[service.env]
STRIPE_KEY = "{stripe}"
DB_PASS = "{db}"
PASSPHRASE = "two words {phrase}"
SALT = "{salt}"
PEPPER = "{pepper}"
ADMIN_PW = "{pw}"
CANARY_TOKEN = "{token}"
CANARY_COOKIE = "{cookie}"
BROKER = "amqp://guest:{amqp}@127.0.0.1:9/vh"
SENTRY = "https://{sentry}@sentry.test/1"
HOOK = "https://hooks.test/services/T1/{hook}"
STORE = "https://store.test/?sig={query}&v=1"
CONFIG = '{{"apiKey": "{config}", "debug": true}}'
DATABASE = "host=db user=app password={dsn}"
BROKERS = "amqp://a:x@127.0.0.1:9,amqp://b:{list}@127.0.0.1:9"
CERTIFICATE = '''-----BEGIN KEY-----
{pem}
-----END KEY-----'''
GREETING = "{greeting}"
TENANT = "{uuid}"
BASIC = "Basic {basic}"
HMAC = "{hmac}"
LICENSE = "{license}"
SIGNING = "{signing}"
PRIVATE = "{private}"
PLAIN = "{plain}"
MOOD = "{mood}"

[auth]
login = "/login"
body = {{ user = "{{username}}", password = "{{password}}", client_secret = "{client}", scope = "{scope}" }}

[auth.roles.admin]
username = "admin"
password = "{{env.CALLERS_PW}}"

[auth.roles.reader]
username = "{{env.CALLERS_NAME}}"
password = "{role}"

[health]
ready = "/health"

[pages]
paths = ["/", "/private"]
roles = {{ "/private" = "admin" }}

[pages.login]
path = "/form"
username = "#u"
password = "#p"
"""


DOCKERFILE = """\
ARG BASE=python:3.11-slim
FROM ${BASE}
COPY service.py /srv/
WORKDIR /srv
ENV HOST=0.0.0.0
USER 10001
CMD ["python3", "/srv/service.py"]
"""


def gated(tmp_path: Path, mood: str, *words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A gate over the service, and the arguments of all processes that ran for it."""
    shutil.copy(SERVICE, tmp_path / "service.py")
    profile = PROFILE.format(mood=mood, **CANARY)
    (tmp_path / "canaries.toml").write_text(profile, encoding="utf-8")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "harness", "gate", "--target", str(tmp_path / "canaries.toml"), "-n", "2"]
    command += ["--out", str(tmp_path / "out"), "--only", "security", *words]
    callers = {"CALLERS_PW": CANARY["caller"], "CALLERS_NAME": CANARY["user"], "TMPDIR": str(tmp_path / "tmp")}
    seen: set[str] = set()
    with (
        (tmp_path / "said").open("w+", encoding="utf-8") as said,
        (tmp_path / "told").open("w+", encoding="utf-8") as told,
    ):
        process = subprocess.Popen(
            command, cwd=root(), env={**os.environ, **callers}, stdin=subprocess.DEVNULL, stdout=said, stderr=told
        )
        while process.poll() is None:
            seen |= set(arguments_of(process.pid))
            time.sleep(0.05)
        said.seek(0)
        told.seek(0)
        done = subprocess.CompletedProcess(command, process.returncode, said.read(), told.read())
    return done, sorted(seen)


def arguments_of(pid: int) -> Iterator[str]:
    """Arguments of a process's descendants, as every user of the machine may read them.

    A child that has not become its own program yet has those that its caller gave to the process itself.
    """
    try:
        process = psutil.Process(pid)
        given, children = process.cmdline(), process.children(recursive=True)
    except psutil.Error:
        return
    for child in children:
        try:
            words = child.cmdline()
        except psutil.Error:
            continue
        if words != given:
            yield " ".join(words)


def leaks(data: bytes, where: str) -> list[str]:
    return [f"{name} in {where}" for name, secret in CANARY.items() if secret.encode() in data]


def leaks_below(folder: Path) -> list[str]:
    """Canaries in the files of a folder, and in what is packed in them."""
    found: list[str] = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.is_symlink():
            continue
        place = str(file.relative_to(folder))
        found += leaks(place.encode(), f"the name {place}") + leaks(file.read_bytes(), place)
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for entry in archive.namelist():
                    found += leaks(archive.read(entry), f"{place}:{entry}")
    return found


def check_that_nothing_is_left(tmp_path: Path, mood: str, *words: str) -> None:
    done, arguments = gated(tmp_path, mood, "--env", f"LATE={CANARY['override']}", *words)
    assert done.returncode in (0, 1, 3), done.stderr
    run = (tmp_path / "out" / "latest").resolve()
    assert leaks(done.stdout.encode(), "standard output") == []
    assert leaks(done.stderr.encode(), "standard error") == []
    assert [leak for words in arguments for leak in leaks(words.encode(), words)] == []
    assert leaks_below(run) == []
    assert leaks_below(tmp_path / "tmp") == []
    assert run.stat().st_mode & 0o077 == 0
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any(line["suite"] == "security" and line["outcome"] == "pass" for line in lines), done.stderr
    assert mood == "well" or any((run / "artifacts").glob("*.zip"))
    assert "env STRIPE_KEY = ***" in (run / "logs" / "service-1.log").read_text(encoding="utf-8")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mood", ["well", "broken"])
def test_no_secret_is_left_anywhere(tmp_path, mood):
    check_that_nothing_is_left(tmp_path, mood)


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("mood", ["well", "broken"])
def test_nor_of_a_gate_in_containers(tmp_path, mood):
    check_that_nothing_is_left(tmp_path, mood, "--stack", "docker")
