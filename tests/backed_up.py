"""A database with what makes two servers look different where they are not, and a stack that has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.backup import Source, source_of
from harness.model import StackInfo
from harness.stack import launch
from tests.stack_target import small_target

ODD = """
CREATE EXTENSION pg_trgm;
CREATE TYPE mood AS ENUM ('well', 'ill');
CREATE TABLE odd (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    real_number real, number double precision, exact numeric, plain json, sorted jsonb, at timestamptz, local timestamp,
    span interval, raw bytea, words text[], mood mood, price money, place point, name varchar(9),
    twice double precision GENERATED ALWAYS AS (number * 2) STORED,
    CHECK (name IN ('a', 'b', '')), UNIQUE NULLS NOT DISTINCT (name)
);
INSERT INTO odd (real_number, number, exact, plain, sorted, at, local, span, raw, words, mood, price, place, name)
VALUES
    ('NaN', '-0', 'Infinity', '{"b" : 1, "a":  2}', '{"b": 1, "a": 2}', '2026-03-29 02:30+02', 'infinity',
     '1 mon -3 days', '\\xdeadbeef00', ARRAY[NULL, '', 'NULL'], 'ill', '12.34', '(1.1,2.2)', 'a'),
    (0.1, 4.9e-324, 1.10, NULL, 'null', '-infinity', NULL, '-00:00:00.000001', '', '{}', 'well', NULL, NULL, ''),
    (NULL, 0.1, NULL, 'null', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE twins (word text); INSERT INTO twins VALUES ('same'), ('same'), (NULL), ('');
CREATE TABLE "Odd Name" ("Where" integer, gone integer, "percent%s" text);
ALTER TABLE "Odd Name" DROP COLUMN gone;
INSERT INTO "Odd Name" VALUES (1, '%s'), (2, NULL);
CREATE TABLE nothing ();
CREATE TABLE parts (id integer, day date) PARTITION BY RANGE (day);
CREATE TABLE part_of_may (day date, id integer);
ALTER TABLE parts ATTACH PARTITION part_of_may FOR VALUES FROM ('2026-05-01') TO ('2026-06-01');
CREATE TABLE part_of_rest PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT n, '2026-04-20'::date + n FROM generate_series(1, 40) n;
CREATE UNLOGGED TABLE scratch (word text);
CREATE SEQUENCE numbers START 5 INCREMENT 5; SELECT nextval('numbers'), nextval('numbers');
CREATE SEQUENCE untouched START 7;
CREATE SEQUENCE down INCREMENT -1 MAXVALUE 100 START 100; SELECT nextval('down');
CREATE SEQUENCE round MINVALUE 1 MAXVALUE 3 CYCLE; SELECT nextval('round') FROM generate_series(1, 4);
CREATE INDEX odd_words ON odd USING gin (words);
CREATE INDEX odd_name ON odd (lower(name)) WHERE name IS NOT NULL;
CREATE VIEW well AS SELECT id, name FROM odd WHERE mood = 'well';
CREATE MATERIALIZED VIEW stale AS SELECT count(*) FROM twins; INSERT INTO twins VALUES ('later');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.word := NEW.word; RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON twins FOR EACH ROW EXECUTE FUNCTION touch();
SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'));
CREATE SCHEMA other; CREATE TABLE other.twins (id integer REFERENCES odd); GRANT SELECT ON twins TO app;
"""


@contextmanager
def stack_with(folder: Path, name: str | None = None, statements: str = ODD) -> Iterator[StackInfo]:
    """A small service with a database in which those statements were run by the superuser."""
    folder.mkdir(parents=True, exist_ok=True)
    with launch(small_target(folder, needs=("postgres",)), name=name) as stack:
        source = source_of(stack.info)
        run(source, statements)
        yield stack.info


def run(source: Source, statements: str) -> None:
    """Run them, all or none."""
    with source.connect() as connection:
        connection.execute(statements)
