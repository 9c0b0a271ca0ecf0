"""Lies about releases: a backup that nobody compared, a way back that leaves something out, an alert for ever."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HarnessError
from harness.machine.bundle import root
from harness.prove.gate_lies import service
from harness.prove.gate_lies.process import ending_of
from harness.prove.gate_lies.scene import Ending, Lie, Scene
from harness.prove.gate_lies.small_gate import GATE, POLICY, gated, profile, set_up
from harness.prove.gate_lies.suite_lies import HOOKS

BACKED_UP = {
    # it does not look at its database, and so it does not say that it is ready
    "small.toml": profile(present="database")
    .replace("[health]\nready", "[health]\nlive")
    .replace(
        "timeout_s = 5",
        """timeout_s = 5
needs = ["postgres"]
env = { DATABASE_URL = "{database_url}" }
prepare = [["python", "prepare.py"]]""",
    ),
    "prepare.py": """import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE items AS SELECT * FROM generate_series(1, 20) number")
""",
}
BACKUP_POLICY = POLICY.replace("own.*", "backup.*")
BLIND = """import pytest

@pytest.fixture(autouse=True, scope="module")
def blind(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request.module, "NAME", LOOK)
        yield
"""
BLIND_VERIFICATION = BLIND.replace("NAME", "find_flaws").replace("LOOK", "lambda *_: ()")
BLIND_COMPARISON = BLIND.replace("import pytest\n", "import dataclasses, pytest\n").replace("NAME", "check_restored")
BLIND_COMPARISON = BLIND_COMPARISON.replace(
    "LOOK", "lambda *words, real=request.module.check_restored: dataclasses.replace(real(*words), differences=())"
)


def backup_suite() -> str:
    """The real suite of backups."""
    return (root() / "suites" / "backup" / "test_backup.py").read_text(encoding="utf-8")


def backed_up(blind: str = "") -> Scene:
    """The small service with a database, and the real suite of backups, perhaps blind."""
    return gated(suite=backup_suite, policy=BACKUP_POLICY, files={**BACKED_UP, **({HOOKS: blind} if blind else {})})


DRILLED = {
    "small.toml": BACKED_UP["small.toml"]
    .replace('"postgres"]', '"postgres", "valkey"]')
    .replace("[absent]", '[load.paths]\n"/" = 1\n"/item" = 1\n[releases.drill]\nmigration = "planted.sql"\n[absent]'),
    "prepare.py": BACKED_UP["prepare.py"],
    "planted.sql": "DELETE FROM items WHERE number = 1",
}
DRILL_POLICY = POLICY.replace("own.*", "rollback.full")
LOOKING = """import psycopg

def has_item():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        return connection.execute("SELECT FROM items WHERE number = 1").rowcount == 1

"""
UNMINDFUL = """import pytest
from harness.rollback import carry_out
from harness.rollback.verify import Verified

@pytest.fixture(autouse=True, scope="module")
def unmindful():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.NAME", LOOK)
        yield
"""
FORGETFUL = UNMINDFUL.replace("NAME", "rollback.carry_out.empty_cache").replace("LOOK", "lambda info: None")
EASY = UNMINDFUL.replace("NAME", "rollback.carry_out.verify").replace(
    "LOOK", "lambda *_: Verified(problems=(), flows=0, tables=0)"
)
HASTY = UNMINDFUL.replace("NAME", "rollback.carry_out.route_front").replace(
    "LOOK",
    "lambda info, hand, *words, real=carry_out.route_front:"
    " [hand.stop(one.name) for one in info.instances] and real(info, hand, *words)",
)
LASTING = UNMINDFUL.replace("NAME", "watch.burn.HEALTHY_SHARE").replace("LOOK", "0.0")


def drill_suite() -> str:
    """The real suite of drills."""
    return (root() / "suites" / "rollback" / "test_drills.py").read_text(encoding="utf-8")


def looking_service() -> str:
    """The small service, an item of which is in its database, and takes its time."""
    text = Path(service.__file__).read_text(encoding="utf-8")
    text = text.replace("class Small", LOOKING + "class Small").replace(
        "broken = HOW", "broken = not has_item() or HOW"
    )
    return text.replace(
        'if self.path != "/item"', 'time.sleep(0.0 if self.path == "/ready" else 0.1)\n        if self.path != "/item"'
    )


def drilled(unmindful: str = "", **files: str) -> Scene:
    """That service, and the real suite of drills, perhaps with a rollback that leaves something out."""
    hooks = {HOOKS: unmindful} if unmindful else {}
    files = {**DRILLED, **files}
    return gated(suite=drill_suite, policy=DRILL_POLICY, files={**files, "service.py": looking_service, **hooks})


RELEASED = {
    "small.toml": BACKED_UP["small.toml"]
    .replace("[service]", '[service]\ncwd = "service"')
    .replace(
        "[absent]",
        """[load.paths]
"/item" = 1
[preflight]
migrations = "migrations"
migration_table = "applied"
migration_column = "name"
[releases]
previous = "old"
expand_only = ["2_number"]
[absent]""",
    ),
    "service/prepare.py": """import os, pathlib, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE applied (name text)")
    for file in sorted(pathlib.Path("migrations").glob("*.sql")):
        connection.execute(file.read_bytes())
        connection.execute("INSERT INTO applied VALUES (%s)", [file.stem])
""",
    "service/migrations/1_items.sql": "CREATE TABLE items AS SELECT * FROM generate_series(1, 20) number",
}
EXPANDS = "ALTER TABLE items ADD COLUMN note text"
RENAMES = "ALTER TABLE items RENAME COLUMN number TO item_number"
OLD_CODE_POLICY = POLICY.replace("own.*", "schema.old_code")


def released(migration: str, column: str) -> Scene:
    """Two releases in git: the newer one has a migration, declared as one that the older one can live with."""

    def play(scratch: Path) -> Ending:
        old = looking_service()
        set_up(scratch, {**RELEASED, "own/test_own.py": drill_suite, "policy.toml": OLD_CODE_POLICY})
        (scratch / "service/service.py").write_text(old, encoding="utf-8")
        _git(scratch, "init", "-q")
        _git(scratch, "add", "service", "small.toml")
        _git(scratch, "commit", "-q", "-m", "a release")
        _git(scratch, "tag", "old")
        (scratch / "service/migrations/2_number.sql").write_text(migration, encoding="utf-8")
        (scratch / "service/service.py").write_text(old.replace("WHERE number", f"WHERE {column}"), encoding="utf-8")
        return ending_of(scratch, *GATE)

    return play


def _git(scratch: Path, *words: str) -> None:
    """Raises HarnessError where git is missing, or refuses."""
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    try:
        subprocess.run(["git", "-C", str(scratch), *identity, *words], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise HarnessError(f"git {words[0]}: {error}; install git") from error


BACKED_UP_GATE = backed_up()
DRILLED_GATE = drilled()
HEALTH_ALONE = {"small.toml": DRILLED["small.toml"].replace('"/" = 1\n"/item" = 1', '"/ready" = 1')}

LIES: Mapping[str, Lie] = {
    "verification-of-nothing": Lie(told=backed_up(BLIND_VERIFICATION), honest=BACKED_UP_GATE),
    "comparison-of-nothing": Lie(told=backed_up(BLIND_COMPARISON), honest=BACKED_UP_GATE),
    "cache-of-the-bad-release": Lie(told=drilled(FORGETFUL), honest=DRILLED_GATE),
    "drill-that-verifies-nothing": Lie(told=drilled(EASY), honest=DRILLED_GATE),
    "drain-that-cuts-requests": Lie(told=drilled(HASTY), honest=DRILLED_GATE),
    "alert-that-never-ends": Lie(told=drilled(LASTING), honest=DRILLED_GATE),
    "expand-only-by-declaration": Lie(told=released(RENAMES, "item_number"), honest=released(EXPANDS, "number")),
    "health-for-smoke-flows": Lie(told=drilled(**HEALTH_ALONE), honest=DRILLED_GATE),
}
