"""The manifest of a schema, and how a live catalogue differs from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.profile_load import read_manifest
from harness.errors import ConfigError
from harness.model import Index, SchemaManifest, Table
from harness.preflight.checks.schema import LiveIndex, differences

KEY = "items USING btree (id)"
NAME = "items USING btree (name, id)"
MANIFEST = SchemaManifest(
    tables={
        "items": Table(
            columns=("id", "name"),
            indexes={
                "items_pkey": Index(on=KEY, unique=True, serves="GET /items/{id}"),
                "items_by_name": Index(on=NAME, serves="GET /items?sort=name"),
            },
        )
    }
)
TABLES = {"items": frozenset({"id", "name"})}
INDEXES = {"items_pkey": LiveIndex(KEY, True, True), "items_by_name": LiveIndex(NAME, False, True)}  # noqa: FBT003


def test_what_is_as_declared_differs_in_nothing():
    assert list(differences(MANIFEST, TABLES, INDEXES)) == []


@pytest.mark.parametrize(
    ("tables", "indexes", "said"),
    [
        ({}, {}, ["table items is missing"]),
        ({"items": {"id"}}, INDEXES, ["column items.name is missing"]),
        ({"items": {"id", "name", "x"}}, INDEXES, ["column items.x is not declared"]),
        ({**TABLES, "left": {"id"}}, INDEXES, ["table left is not declared"]),
        (
            TABLES,
            {"items_pkey": INDEXES["items_pkey"]},
            ["index items_by_name is missing (it serves GET /items?sort=name)"],
        ),
        (
            TABLES,
            {**INDEXES, "items_by_name": LiveIndex(NAME, False, False)},  # noqa: FBT003
            ["index items_by_name is invalid: building it was never finished"],
        ),
        (
            TABLES,
            {**INDEXES, "items_by_name": LiveIndex("items USING btree (name)", False, True)},  # noqa: FBT003
            [f"index items_by_name is not unique on items USING btree (name), not not unique on {NAME}"],
        ),
        (
            TABLES,
            {**INDEXES, "items_pkey": LiveIndex(KEY, False, True)},  # noqa: FBT003
            [f"index items_pkey is not unique on {KEY}, not unique on {KEY}"],
        ),
        (TABLES, {**INDEXES, "extra": LiveIndex(KEY, False, True)}, ["index extra is not declared"]),  # noqa: FBT003
    ],
)
def test_every_difference_is_named(tables, indexes, said):
    assert list(differences(MANIFEST, {name: frozenset(of) for name, of in tables.items()}, indexes)) == said


GOOD = """\
schema = 1
[tables.items]
columns = ["id"]
[tables.items.indexes.items_pkey]
on = "items USING btree (id)"
unique = true
serves = "reading one"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 2", ":1: schema: schema 1 was expected, not 2"),
        ('["id"]', "[]", ":3: tables.items.columns: a table has at least one column"),
        ('on = "items', 'on = "things', ":5: tables.items.indexes.items_pkey.on: items USING METHOD (COLUMNS)"),
        ('"reading one"', '" "', ":7: tables.items.indexes.items_pkey.serves: the constraint or query"),
        ("unique = true", "uniqe = true", "did you mean 'unique'?"),
        ('serves = "reading one"', "", "serves"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str):
    path = tmp_path / "manifest.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as refused:
        read_manifest(path)
    assert said in str(refused.value)


def test_dealradar_declares_19_tables_and_55_indexes_each_for_something():
    manifest = read_manifest(Path(__file__).parents[2] / "service" / "manifest.toml")
    assert (len(manifest.tables), len(manifest.indexes)) == (19, 55)
