"""A rollback's journal: read back as it was written, whole lines alone."""

from __future__ import annotations

import pytest

from harness.errors import StackError, UsageError
from harness.model import Instance, StackInfo
from harness.rollback.journal import Entry, Journal, Started, claimed_stack, last_journal, new_journal
from harness.rollback.tables import TableState
from tests.unit.test_rollback_counts import DONE


@pytest.fixture
def info(tmp_path):
    return StackInfo(
        name="one", backend="embedded", target="t", url="http://127.0.0.1:1", owned=True, state_dir=str(tmp_path)
    )


def test_what_was_noted_is_read_back(tmp_path):
    journal = Journal(tmp_path / "0001.jsonl")
    before = {"deals": TableState(columns=("id",), rows=1, checksum="2")}
    journal.append(Entry(kind="planned", plan=DONE.plan, tables=before))
    journal.append(Entry(kind="begun", step="start"))
    made = Started(instances=(Instance(url="http://127.0.0.1:2", name="service-r1-1-1"),))
    journal.append(Entry(kind="done", step="start", seconds=0.5, started=made))
    journal.append(Entry(kind="begun", step="switch"))
    again = Journal(journal.path)
    assert (again.plan, again.tables, again.started) == (DONE.plan, before, made)
    assert (again.is_done("start"), again.is_done("switch"), again.has_begun("switch")) == (True, False, True)
    assert (again.begun, again.ended, again.times()) == (2, False, {"start": 0.5})
    assert journal.path.stat().st_mode & 0o077 == 0


def test_a_torn_last_line_was_not_said_and_the_next_one_is_whole(tmp_path):
    journal = Journal(tmp_path / "0001.jsonl")
    journal.append(Entry(kind="begun", step="start"))
    with journal.path.open("ab") as file:
        file.write(b'{"kind":"done","st')
    again = Journal(journal.path)
    assert not again.is_done("start")
    again.append(Entry(kind="ended", outcome="back"))
    assert Journal(journal.path).ended


def test_what_is_no_journal_is_named(tmp_path):
    (tmp_path / "0001.jsonl").write_bytes(b"{}\n")
    with pytest.raises(StackError, match="is no journal of a rollback"):
        Journal(tmp_path / "0001.jsonl")


def test_journals_are_numbered_and_the_newest_counts(info):
    assert last_journal(info) is None
    number, path = new_journal(info)
    Journal(path).append(Entry(kind="begun", step="start"))
    assert (number, new_journal(info)[0]) == (1, 2)
    found = last_journal(info)
    assert found is not None
    assert found.path == path


def test_a_stack_is_rolled_back_by_one_at_a_time(info):
    with claimed_stack(info), pytest.raises(UsageError, match="by another process"), claimed_stack(info):
        pass
    with claimed_stack(info):
        pass
