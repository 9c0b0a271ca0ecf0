"""What a way back of the schema would take away, read from the migrations' files."""

from __future__ import annotations

import pytest

from harness.model.migrations import migration_files, names_of
from harness.rollback.schema import Loss, losses_in


@pytest.mark.parametrize(
    ("back", "lost"),
    [
        ("ALTER TABLE deals DROP COLUMN note;", [("deals", "note")]),
        (
            "alter table if exists only public.deals drop note, drop column if exists other",
            [("deals", "note"), ("deals", "other")],
        ),
        ('ALTER TABLE "Deals" DROP COLUMN "Note"', [("Deals", "Note")]),
        ("DROP TABLE IF EXISTS deals, shop.items CASCADE;", [("deals", ""), ("shop.items", "")]),
        ("TRUNCATE deals; DELETE FROM items WHERE id > 3;", [("deals", ""), ("items", "")]),
        ("ALTER TABLE deals DROP CONSTRAINT positive, ALTER COLUMN a DROP NOT NULL;", []),
        ("-- DROP TABLE deals;\n/* ALTER TABLE deals DROP COLUMN a */ DROP INDEX found;", []),
        ("ALTER TABLE deals ADD COLUMN a int;", []),
    ],
)
def test_a_way_back_says_itself_what_it_takes(tmp_path, back, lost):
    (tmp_path / "0007_more.sql").write_text("ALTER TABLE deals ADD COLUMN other int;")
    (tmp_path / "0007_more.rollback.sql").write_text(back)
    assert list(losses_in(tmp_path, "0007_more")) == lost


def test_without_a_way_back_all_that_the_migration_made_would_go(tmp_path):
    (tmp_path / "0007_more.sql").write_text(
        "CREATE TABLE IF NOT EXISTS notes (id int); ALTER TABLE deals ADD COLUMN note text, ADD CONSTRAINT c CHECK (a);"
    )
    assert list(losses_in(tmp_path, "7")) == [("notes", ""), ("deals", "note")]


def test_a_migration_without_a_file_is_known_to_take_nothing(tmp_path):
    assert list(losses_in(tmp_path, "0009_gone")) == []


def test_a_loss_names_table_column_and_rows():
    assert str(Loss(migration="7", table="deals", column="note", rows=3)) == "column deals.note (3 rows)"
    assert str(Loss(migration="7", table="notes")) == "table notes (rows that could not be counted)"


def test_migrations_are_found_in_their_order_without_their_ways_back(tmp_path):
    for name in ("0010_b.sql", "2_a.sql", "V3__c.sql", "2_a.down.sql", "readme.md", "0010_b.rollback.sql"):
        (tmp_path / name).touch()
    assert migration_files(tmp_path) == ["2_a.sql", "V3__c.sql", "0010_b.sql"]
    assert migration_files(tmp_path / "none") == []
    assert names_of("0010_b.up.sql") == {"0010_b.up.sql", "0010_b.up", "0010_b", "0010", "10"}
