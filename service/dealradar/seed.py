"""Fills an empty database with made-up data, the same for the same number, and sets the passwords of the two logins.

Ids start at 1 and times count back from a fixed day, so that a test may rely on both.
"""

import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
from argon2 import PasswordHasher

from dealradar import seed_text as words
from dealradar.locks import SCHEMA_LOCK
from dealradar.passwords import PARAMETERS

AUTHORS, MERCHANTS, DEALS, REVIEWS, COMMENTS, NOTIFICATIONS = 200, 55, 240, 5_000, 10_000, 6_000
USER_EMAIL, OPERATOR_EMAIL = "user@dealradar.test", "operator@dealradar.test"
FIRST_AUTHOR = 3  # users 1 and 2 are the two that can log in
NEWEST = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = ("users", "merchants", "categories", "deals", "reviews", "comments", "notifications")

_COUNTERS = """
    UPDATE deals SET (review_count, rating_sum, comment_count) = (
        (SELECT count(*) FROM reviews WHERE deal_id = deals.id),
        (SELECT coalesce(sum(rating), 0) FROM reviews WHERE deal_id = deals.id),
        (SELECT count(*) FROM comments WHERE deal_id = deals.id))
"""

Row = Sequence[object]
Cursor = psycopg.Cursor[tuple[object, ...]]


def seed_database(database_url: str, seed: int, user_password: str, operator_password: str) -> str:
    """Seed what is empty, set both passwords, and return a sentence that says what was done.

    Raises psycopg.Error when the database cannot be reached or the tables are missing.
    """
    logins = [(1, USER_EMAIL, "user", user_password), (2, OPERATOR_EMAIL, "operator", operator_password)]
    with ThreadPoolExecutor(len(logins)) as pool:
        # argon2 works outside of the interpreter's lock, so this costs no time where there is a second core.
        hashes = [pool.submit(PasswordHasher(**PARAMETERS).hash, password) for *_, password in logins]
        with psycopg.connect(database_url, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            cursor.execute("SELECT EXISTS (SELECT FROM deals)")
            was_seeded = cursor.fetchone() == (True,)
            if not was_seeded:
                _fill_at_once(cursor, random.Random(seed))  # noqa: S311  made-up data, and it has to be repeatable
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
        f"seeded {DEALS} deals, {REVIEWS} reviews, {COMMENTS} comments, {NOTIFICATIONS} notifications from seed {seed}"
    )


def _fill_at_once(cursor: Cursor, rng: random.Random) -> None:
    """Take foreign keys and plain indexes off and put them back after the COPY: proven by one join and built by one
    sort, rather than by a look-up and an insertion a row.
    """
    cursor.execute(
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),"
        " format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))"
        " FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
        " UNION ALL SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)"
        " FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relnamespace = 'public'::regnamespace AND NOT indisunique"
    )
    changes = cursor.fetchall()
    for drop, _ in changes:
        cursor.execute(str(drop).encode())
    _fill(cursor, rng)
    cursor.execute(_COUNTERS)
    for _, restore in changes:
        cursor.execute(str(restore).encode())
    for table in TABLES:
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}".encode())  # noqa: S608
    cursor.execute(f"ANALYZE {', '.join(TABLES)}".encode())


def _fill(cursor: Cursor, rng: random.Random) -> None:
    _copy(cursor, "users (id, email, display_name, created_at)", _authors(rng))
    names = [f"{first} {last}" for first in words.MERCHANT_FIRST for last in words.MERCHANT_LAST][:MERCHANTS]
    _copy(cursor, "merchants (id, slug, name)", ((i, f"merchant-{i}", name) for i, name in enumerate(names, 1)))
    _copy(cursor, "categories (id, slug, name)", ((i, n.lower(), n) for i, n in enumerate(words.CATEGORIES, 1)))
    _copy(
        cursor,
        "deals (id, title, description, merchant_id, category_id, author_id,"
        " price_cents, list_price_cents, created_at)",
        _deals(rng),
    )
    _copy(cursor, "reviews (id, deal_id, author_id, rating, title, body, created_at)", _reviews(rng))
    _copy(cursor, "comments (id, deal_id, parent_id, author_id, body, created_at)", _comments(rng))
    _copy(
        cursor,
        "notifications (id, user_id, deal_id, kind, state, idempotency_key, attempts, created_at, sent_at)",
        _notifications(rng),
    )


def _copy(cursor: Cursor, target: str, rows: Iterable[Row]) -> None:
    """COPY rows in text format; the texts hold no tab, newline or backslash, so nothing needs escaping."""
    lines = ["\t".join(["\\N" if cell is None else str(cell) for cell in row]) for row in rows]
    with cursor.copy(f"COPY {target} FROM STDIN") as copy:
        copy.write("\n".join(lines) + "\n")


def _times(rng: random.Random, count: int, days: int) -> list[str]:
    """Ascending moments within the days before NEWEST, in PostgreSQL's notation."""
    seconds = sorted(rng.choices(range(days * 86_400), k=count))
    start = NEWEST - timedelta(days=days)
    return [(start + timedelta(seconds=second)).isoformat() for second in seconds]


def _people(rng: random.Random, count: int) -> list[int]:
    return rng.choices(range(FIRST_AUTHOR, FIRST_AUTHOR + AUTHORS), k=count)


def _popular_deals(rng: random.Random, count: int) -> list[int]:
    """Deals as they are talked about: a few very often, most of them seldom, each at least once."""
    weights = [1 / (rank + 5) for rank in range(DEALS)]
    return list(range(1, DEALS + 1)) + rng.choices(range(1, DEALS + 1), weights, k=count - DEALS)


def _authors(rng: random.Random) -> Iterable[Row]:
    names = rng.choices(words.FIRST_NAMES, k=AUTHORS)
    times = _times(rng, AUTHORS, 700)
    for number, name, at in zip(range(FIRST_AUTHOR, FIRST_AUTHOR + AUTHORS), names, times, strict=True):
        yield number, f"author{number}@dealradar.test", f"{name} {number}", at


def _deals(rng: random.Random) -> Iterable[Row]:
    for number, at in enumerate(_times(rng, DEALS, 365), 1):
        listed = rng.randrange(500, 90_000)
        title = f"{rng.choice(words.ADJECTIVES)} {rng.choice(words.NOUNS)} #{number}"
        price = listed * rng.randrange(30, 96) // 100
        category = rng.randrange(len(words.CATEGORIES)) + 1
        author = rng.randrange(FIRST_AUTHOR, FIRST_AUTHOR + AUTHORS)
        merchant = rng.randrange(MERCHANTS) + 1
        yield number, title, rng.choice(words.DESCRIPTIONS), merchant, category, author, price, listed, at


def _reviews(rng: random.Random) -> Iterable[Row]:
    deals = _popular_deals(rng, REVIEWS)
    ratings = rng.choices((1, 2, 3, 4, 5), (6, 8, 18, 34, 34), k=REVIEWS)
    titles = rng.choices(words.REVIEW_TITLES, k=REVIEWS)
    firsts, seconds = rng.choices(words.SENTENCES, k=REVIEWS), rng.choices(words.SENTENCES, k=REVIEWS)
    bodies = [f"{first} {second}" for first, second in zip(firsts, seconds, strict=True)]
    return zip(
        range(1, REVIEWS + 1),
        deals,
        _people(rng, REVIEWS),
        ratings,
        titles,
        bodies,
        _times(rng, REVIEWS, 360),
        strict=True,
    )


def _comments(rng: random.Random) -> Iterable[Row]:
    deals = _popular_deals(rng, COMMENTS)
    newest_of: dict[int, int] = {}
    parents: list[int | None] = []
    for number, (deal, is_reply) in enumerate(
        zip(deals, rng.choices((True, False), (2, 3), k=COMMENTS), strict=True), 1
    ):
        parents.append(newest_of.get(deal) if is_reply else None)
        if not is_reply:
            newest_of[deal] = number
    texts = rng.choices(words.COMMENTS, k=COMMENTS)
    return zip(
        range(1, COMMENTS + 1), deals, parents, _people(rng, COMMENTS), texts, _times(rng, COMMENTS, 360), strict=True
    )


def _notifications(rng: random.Random) -> Iterable[Row]:
    kinds = rng.choices(("price_drop", "new_review", "new_reply"), (5, 3, 2), k=NOTIFICATIONS)
    # All of them are over: a worker would send what is not.
    states = rng.choices(("sent", "dead"), (96, 4), k=NOTIFICATIONS)
    deals, people = _popular_deals(rng, NOTIFICATIONS), _people(rng, NOTIFICATIONS)
    times = _times(rng, NOTIFICATIONS, 90)
    for number, (kind, state, deal, person, at) in enumerate(zip(kinds, states, deals, people, times, strict=True), 1):
        attempts = 3 if state == "dead" else 1 + (number % 9 == 0)
        sent_at = None
        if state == "sent":
            sent_at = (datetime.fromisoformat(at) + timedelta(milliseconds=120 + number * 37 % 4_000)).isoformat()
        yield number, person, deal, kind, state, f"{kind}:{deal}:{person}:{number}", attempts, at, sent_at
