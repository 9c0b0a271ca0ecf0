"""Fills an empty database with made-up data, the same for the same number, and sets the passwords of the two logins.

Ids start at 1 and times count back from a fixed day, so that a test may rely on both.
"""

from concurrent.futures import ThreadPoolExecutor

import psycopg
from argon2 import PasswordHasher

from dealradar.locks import SCHEMA_LOCK
from dealradar.passwords import PARAMETERS
from dealradar.seed_rows import NEWEST, Maker, Table

USER_EMAIL, OPERATOR_EMAIL = "user@dealradar.test", "operator@dealradar.test"

# What the service counts as it goes. The rows of `deals` are all written anew, so this comes before their indexes.
_COUNTERS = """
    UPDATE deals SET review_count = r.n, rating_sum = r.stars, comment_count = c.n
      FROM (SELECT deal_id, count(*) AS n, sum(rating) AS stars FROM reviews GROUP BY deal_id) r
      JOIN (SELECT deal_id, count(*) AS n FROM comments GROUP BY deal_id) c USING (deal_id)
     WHERE deals.id = r.deal_id;
    UPDATE reviews SET helpful_count = v.n
      FROM (SELECT review_id, count(*) AS n FROM review_votes WHERE is_helpful GROUP BY review_id) v
     WHERE reviews.id = v.review_id
"""
_TAKEN_OFF = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
     UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE relnamespace = 'public'::regnamespace AND NOT indisunique
"""
_SEQUENCES = """
    SELECT format('SELECT setval(pg_get_serial_sequence(%L, ''id''), max(id)) FROM %I HAVING max(id) > 0', t, t)
      FROM (SELECT table_name AS t FROM information_schema.columns
             WHERE table_schema = 'public' AND is_identity = 'YES') named
"""

Cursor = psycopg.Cursor[tuple[object, ...]]


def seed_database(database_url: str, seed: int, scale: int, user_password: str, operator_password: str) -> str:
    """Seed what is empty, set both passwords, and return a sentence that says what was done. `scale` multiplies the
    number of rows.

    Raises psycopg.Error when the database cannot be reached or the tables are missing.
    """
    logins = [(1, USER_EMAIL, "user", user_password), (2, OPERATOR_EMAIL, "operator", operator_password)]
    maker = Maker(seed, scale)
    with ThreadPoolExecutor(len(logins)) as pool:
        # argon2 works outside of the interpreter's lock, so this costs no time where there is a second core.
        hashes = [pool.submit(PasswordHasher(**PARAMETERS).hash, password) for *_, password in logins]
        with psycopg.connect(database_url, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            cursor.execute("SELECT EXISTS (SELECT FROM deals)")
            was_seeded = cursor.fetchone() == (True,)
            if not was_seeded:
                _fill(cursor, maker)
            for (number, email, role, _), hashed in zip(logins, hashes, strict=True):
                cursor.execute(
                    "INSERT INTO users (id, email, display_name, role, password_hash, created_at)"
                    " VALUES (%s, %s, %s, %s, %s, %s)"
                    " ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash",
                    [number, email, email.split("@")[0], role, hashed.result(), NEWEST],
                )
    if was_seeded:
        return "the data is there already; the passwords of the two logins are set"
    return (
        f"seeded {maker.deals} deals, {maker.reviews} reviews, {maker.comments} comments, "
        f"{maker.notifications} notifications from seed {seed}"
    )


def _fill(cursor: Cursor, maker: Maker) -> None:
    """Take foreign keys and plain indexes off and put them back after the COPY: proven by one join and built by one
    sort, rather than by a look-up and an insertion a row.
    """
    changes = cursor.execute(_TAKEN_OFF).fetchall()
    for drop, _ in changes:
        cursor.execute(str(drop).encode())
    for table in maker.tables():
        _copy(cursor, table)
    cursor.execute(_COUNTERS)
    for _, restore in changes:
        cursor.execute(str(restore).encode())
    for (statement,) in cursor.execute(_SEQUENCES).fetchall():
        cursor.execute(str(statement).encode())
    cursor.execute("ANALYZE")


def _copy(cursor: Cursor, table: Table) -> None:
    """COPY rows in text format; the texts hold no tab, newline or backslash, so nothing needs escaping."""
    lines = ["\t".join(["\\N" if cell is None else str(cell) for cell in row]) for row in table.rows]
    with cursor.copy(f"COPY {table.name} ({table.columns}) FROM STDIN") as copy:
        copy.write("\n".join(lines) + "\n")
