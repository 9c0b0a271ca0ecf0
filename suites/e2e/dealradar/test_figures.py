"""Figures for operators against what the database holds, to the last one."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from fixtures.dealradar.model import mean_rating
from harness.testing import eventually

LAST_ID = 2**53 - 1
STATES = ("sent", "pending", "sending", "failed", "dead")


@pytest.fixture
def operator(new_client):
    return new_client(role="operator")


@pytest.fixture
def empty_category(db):
    """A category without a deal: it is told of, too."""
    db.execute("INSERT INTO categories (id, slug, name) VALUES (%s, 'nothing-yet', 'Nothing yet')", [LAST_ID])
    yield "nothing-yet"
    db.execute("DELETE FROM categories WHERE id = %s", [LAST_ID])


def agree(shown, held):
    """What is told lies between two looks at the database: it is what it holds, but for what others write meanwhile."""

    def same():
        before, told, after = held(), shown(), held()
        return between(before, told, after)

    # a write is in the database a moment before what was kept of the figures is thrown away
    eventually(same, "the database's figures", seconds=30, explain=lambda: differing(shown(), held()))


def between(before, told, after):
    """Whether each value is one of the two, or a number between them."""
    match told:
        case dict():
            return told.keys() == before.keys() == after.keys() and all(
                between(before[name], told[name], after[name]) for name in told
            )
        case list() | tuple():
            return len(before) == len(told) == len(after) and all(map(between, before, told, after))
    numbers = [before, told, after]
    if all(isinstance(one, int | float) for one in numbers):
        return sorted(numbers)[1] == told
    return told in (before, after)


def differing(told, truth):
    return "; ".join(
        f"{key}: {told.get(key)!r} is told, {truth[key]!r} is held" for key in truth if told.get(key) != truth[key]
    )


@pytest.mark.check("metrics.overview_exact", severity="high", subject="GET /api/metrics/overview")
@pytest.mark.writes
@pytest.mark.usefixtures("deal")  # a write: what was kept of the figures before the category came is thrown away
def test_the_overview_is_what_the_database_holds(operator, db, empty_category):
    def held():
        rows = {
            "reviews": db.execute("SELECT deal_id, rating, created_at FROM reviews").fetchall(),
            "comments": db.execute("SELECT deal_id, NULL, created_at FROM comments").fetchall(),
        }
        deals = dict(db.execute("SELECT id, category_id FROM deals").fetchall())
        categories = dict(db.execute("SELECT id, slug FROM categories").fetchall())
        users, merchants = (
            len(db.execute(query).fetchall()) for query in ("SELECT FROM users", "SELECT FROM merchants")
        )
        totals = {"users": users, "merchants": merchants, "categories": len(categories), "deals": len(deals)}
        days = {
            kind: Counter(at.astimezone(UTC).date().isoformat() for _, _, at in found) for kind, found in rows.items()
        }
        newest = sorted(days["reviews"] | days["comments"], reverse=True)[:30]
        return {
            "totals": totals | {kind: len(found) for kind, found in rows.items()},
            "categories": sorted(
                (category(number, slug, deals, rows) for number, slug in categories.items()),
                key=lambda one: one["category"],
            ),
            "days": [{"day": day, **{kind: days[kind][day] for kind in days}} for day in newest],
        }

    def shown():
        told = operator.exchange("GET", "/api/metrics/overview").json()
        return {key: told[key] for key in ("totals", "categories", "days")}

    agree(shown, held)
    assert empty_category in {one["category"] for one in shown()["categories"]}


def category(number, slug, deals, rows):
    mine = {kind: [one for one in found if deals.get(one[0]) == number] for kind, found in rows.items()}
    ratings = [rating for _, rating, _ in mine["reviews"]]
    return {
        "category": slug,
        "deals": sum(one == number for one in deals.values()),
        "reviews": len(mine["reviews"]),
        "comments": len(mine["comments"]),
        "average_rating": mean_rating(ratings),
    }


@pytest.mark.check("metrics.notifications_exact", severity="high", subject="GET /api/metrics/notifications")
def test_the_notification_figures_are_what_the_database_holds(operator, db):
    def held():
        rows = db.execute(
            "SELECT kind, state, attempts, extract(epoch FROM sent_at - created_at)::float8, user_id FROM notifications"
        ).fetchall()
        sent, dead = (sum(row[1] == state for row in rows) for state in ("sent", "dead"))
        return {
            "total": len(rows),
            "recipients": len({row[4] for row in rows}),
            "delivered_share": round(sent / (sent + dead), 4) if sent + dead else None,
            "kinds": [
                kind_figures(kind, [row for row in rows if row[0] == kind]) for kind in sorted({row[0] for row in rows})
            ],
        }

    def shown():
        told = operator.exchange("GET", "/api/metrics/notifications").json()
        for kind in told["kinds"]:
            kind.update({name: rounded(kind[name]) for name in kind if name.startswith("delay_")})
        return {key: told[key] for key in ("total", "recipients", "delivered_share", "kinds")}

    agree(shown, held)
    assert shown()["kinds"]


def kind_figures(kind, rows):
    states = Counter(row[1] for row in rows)
    delays = sorted(row[3] for row in rows if row[3] is not None)
    shares = {"delay_p50_s": 0.5, "delay_p95_s": 0.95, "delay_max_s": 1.0}
    return {
        "kind": kind,
        **{state: states[state] for state in STATES},
        "attempts": sum(row[2] for row in rows),
        **{name: rounded(quantile(delays, share)) for name, share in shares.items()},
    }


def quantile(values, share):
    """Between the two nearest, as PostgreSQL's percentile_cont does; None of nothing."""
    if not values:
        return None
    place = share * (len(values) - 1)
    low, rest = values[int(place)], place - int(place)
    return low + rest * (values[min(int(place) + 1, len(values) - 1)] - low)


def rounded(seconds):
    return None if seconds is None else round(seconds, 3)


@pytest.mark.check("metrics.jobs_exact", severity="high", subject="GET /api/admin/workers")
def test_the_jobs_and_their_newest_runs_are_those_of_the_database(operator, db):
    def held():
        jobs = db.execute("SELECT name, fence, holder FROM jobs ORDER BY name").fetchall()
        runs = db.execute("SELECT job, tick, worker, outcome FROM job_runs ORDER BY tick DESC").fetchall()
        return {
            "jobs": [(*job, [run[1:] for run in runs if run[0] == job[0]][:5]) for job in jobs],
        }

    def shown():
        told = operator.exchange("GET", "/api/admin/workers").json()["jobs"]
        return {
            "jobs": [
                (
                    job["name"],
                    job["fence"],
                    job["holder"],
                    [(datetime.fromisoformat(run["tick"]), run["worker"], run["outcome"]) for run in job["runs"]],
                )
                for job in told
            ]
        }

    agree(shown, held)
    assert shown()["jobs"]
