"""Databases and mailboxes of a test's own, in real sessions with several workers: nobody sees another's."""

from __future__ import annotations

import pytest

from tests.suite_session import Bench

PREPARE = """\
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE things (name text)")
    connection.execute("INSERT INTO things VALUES ('prepared')")
"""
SUITE = """
import random
import smtplib
from urllib.parse import urlsplit

import psycopg
import pytest

ROUNDS = random.Random({seed}).sample(range(6), 6)


def names(url):
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM things ORDER BY name")]


@pytest.mark.parametrize("number", ROUNDS)
def test_database(own_database, db, number):
    assert names(own_database) == ["prepared"]
    with psycopg.connect(own_database) as connection:
        connection.execute("INSERT INTO things VALUES ('mine')")
        assert connection.execute("SELECT current_user").fetchone() == ("app",)
    assert names(own_database) == ["mine", "prepared"]
    assert [row[0] for row in db.execute("SELECT name FROM things")] == ["prepared"]


@pytest.mark.parametrize("number", ROUNDS)
def test_mails(inbox, stack_info, number):
    server = urlsplit(stack_info.smtp_url)
    with smtplib.SMTP(server.hostname, server.port) as smtp:
        smtp.sendmail("a@small.test", [inbox.address], "Subject: %d\\n\\nhello" % number)
    assert [mail.subject for mail in inbox.wait(subject=str(number))] == [str(number)]
    assert len(inbox.mails()) == 1


def test_a_mail_that_does_not_come(inbox):
    with pytest.raises(AssertionError, match=r"1 mail about 'x' to .* within 0.2 s; arrived: nothing"):
        inbox.wait(subject="x", seconds=0.2)
"""


@pytest.fixture
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    (bench.folder / "prepare.py").write_text(PREPARE)
    bench.describe(needs='"postgres", "smtp"')
    lines = """\
prepare = [["python", "prepare.py"]]

[service.env]
DATABASE_URL = "{database_url}"
"""
    bench.profile.write_text(bench.profile.read_text().replace("\n[service.env]\n", lines))
    return bench


@pytest.mark.parametrize(("workers", "seed"), [(2, 1), (2, 2), (0, 3)])
def test_each_test_has_its_own(prepared: Bench, workers: int, seed: int) -> None:
    prepared.suite(SUITE.replace("{seed}", str(seed)))
    ended = prepared.run(*(("-n", str(workers)) if workers else ()))
    assert ended.status == 0, ended.out + ended.err
    assert [line["outcome"] for line in ended.lines].count("pass") == 13


def test_nothing_of_it_is_left_for_the_next_test(prepared: Bench) -> None:
    prepared.suite(SUITE.replace("{seed}", "4"))
    prepared.suite(
        """
        def test_left(db):
            names = {row[0] for row in db.execute("SELECT datname FROM pg_database")}
            assert names == {"app", "app_prepared", "template0", "template1"}
        """,
        "probe/test_last.py",
    )
    ended = prepared.run()
    assert ended.status == 0, ended.out + ended.err


def test_a_stack_of_others_has_no_database_to_give(prepared: Bench) -> None:
    prepared.suite("def test_it(own_database):\n    assert own_database\n")
    with prepared.stranger() as url:
        ended = prepared.run("--url", url)
    assert [line["outcome"] for line in ended.lines] == ["skip"]
