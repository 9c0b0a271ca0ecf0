"""Made-up rows for each table: the same for the same random numbers and the same scale."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from dealradar import seed_text as words

FIRST_AUTHOR = 3  # users 1 and 2 are the two that can log in
NEWEST = datetime(2026, 1, 1, tzinfo=UTC)

Row = Sequence[object]
Rows = Iterable[Row]


@dataclass(frozen=True)
class Table:
    """Rows of one table, for the columns that are named."""

    name: str
    columns: str
    rows: Rows


class Maker:
    """Draws rows table by table; the order of the tables is part of what makes them repeatable."""

    def __init__(self, seed: int, scale: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311  made-up data, and it has to be repeatable
        self.authors, self.deals = 200 * scale, 240 * scale
        self.reviews, self.comments, self.notifications = 5_000 * scale, 10_000 * scale, 6_000 * scale
        self.votes, self.watched, self.alerts = 4_000 * scale, 600 * scale, 200 * scale
        self._popularity = list(accumulate(1 / (rank + 5) for rank in range(self.deals)))
        self._prices: list[tuple[int, int]] = []
        self._born: list[str] = []

    def tables(self) -> Iterator[Table]:
        """Every table, each before those that refer to it."""
        merchants = [f"{first} {last}" for first in words.MERCHANT_FIRST for last in words.MERCHANT_LAST]
        yield Table("users", "id, email, display_name, created_at", self._authors())
        yield Table("merchants", "id, slug, name", [(i, f"merchant-{i}", n) for i, n in enumerate(merchants, 1)])
        yield Table("categories", "id, slug, name", [(i, n.lower(), n) for i, n in enumerate(words.CATEGORIES, 1)])
        yield Table(
            "deals",
            "id, title, description, merchant_id, category_id, author_id, price_cents, list_price_cents, created_at",
            self._deals(len(merchants)),
        )
        yield Table("price_history", "deal_id, old_cents, price_cents, source, changed_at", self._history())
        yield Table("reviews", "id, deal_id, author_id, rating, title, body, created_at", self._reviews())
        yield Table("review_votes", "review_id, user_id, is_helpful, created_at", self._votes())
        yield Table("comments", "id, deal_id, parent_id, author_id, body, created_at", self._comments())
        yield Table("watchlist_items", "user_id, deal_id, created_at", self._watched())
        yield Table("price_alerts", "user_id, deal_id, target_cents, created_at", self._alerts())
        notices = list(self._notifications())
        yield Table(
            "notifications",
            "id, user_id, deal_id, kind, state, idempotency_key, attempts, created_at, next_attempt_at, sent_at",
            notices,
        )
        yield Table(
            "delivery_attempts", "notification_id, number, worker, began_at, ended_at, outcome", _tries(notices)
        )

    def _times(self, count: int, days: int) -> list[str]:
        """Ascending moments within the days before NEWEST, in PostgreSQL's notation."""
        seconds = sorted(self._rng.choices(range(days * 86_400), k=count))
        start = NEWEST - timedelta(days=days)
        return [(start + timedelta(seconds=second)).isoformat() for second in seconds]

    def _people(self, count: int) -> list[int]:
        return self._rng.choices(range(FIRST_AUTHOR, FIRST_AUTHOR + self.authors), k=count)

    def _popular(self, count: int) -> list[int]:
        """Deals as they are talked about: a few very often, most of them seldom, each at least once."""
        every = range(1, self.deals + 1)
        return list(every) + self._rng.choices(every, cum_weights=self._popularity, k=count - self.deals)

    def _pairs(self, count: int) -> list[tuple[int, int]]:
        """Different pairs of a person and a deal."""
        chosen = self._rng.sample(range(self.authors * self.deals), count)
        return [(FIRST_AUTHOR + number // self.deals, 1 + number % self.deals) for number in chosen]

    def _authors(self) -> Rows:
        names = self._rng.choices(words.FIRST_NAMES, k=self.authors)
        for number, name, at in zip(
            range(FIRST_AUTHOR, len(names) + FIRST_AUTHOR), names, self._times(len(names), 700), strict=True
        ):
            yield number, f"author{number}@dealradar.test", f"{name} {number}", at

    def _deals(self, merchants: int) -> Rows:
        rng = self._rng
        self._born = self._times(self.deals, 365)
        for number, at in enumerate(self._born, 1):
            listed = rng.randrange(500, 90_000)
            price = listed * rng.randrange(30, 96) // 100
            self._prices.append((price, listed))
            title = f"{rng.choice(words.ADJECTIVES)} {rng.choice(words.NOUNS)} #{number}"
            category = rng.randrange(len(words.CATEGORIES)) + 1
            author = rng.randrange(FIRST_AUTHOR, FIRST_AUTHOR + self.authors)
            merchant = rng.randrange(merchants) + 1
            yield number, title, rng.choice(words.DESCRIPTIONS), merchant, category, author, price, listed, at

    def _history(self) -> Rows:
        """From the list price down to the present one, in up to five steps."""
        for number, ((price, listed), at) in enumerate(zip(self._prices, self._born, strict=True), 1):
            steps = self._rng.randrange(6)
            old: int | None = None
            for step in range(steps + 1):
                cents = listed - (listed - price) * (step + 1) // (steps + 1)
                moment = datetime.fromisoformat(at) + timedelta(hours=7 * step)
                yield number, old, cents, "edited" if step else "created", moment.isoformat()
                old = cents

    def _reviews(self) -> Rows:
        count, rng = self.reviews, self._rng
        ratings = rng.choices((1, 2, 3, 4, 5), (6, 8, 18, 34, 34), k=count)
        firsts, seconds = rng.choices(words.SENTENCES, k=count), rng.choices(words.SENTENCES, k=count)
        bodies = [f"{first} {second}" for first, second in zip(firsts, seconds, strict=True)]
        titles = rng.choices(words.REVIEW_TITLES, k=count)
        columns = self._popular(count), self._people(count), ratings, titles, bodies, self._times(count, 360)
        return zip(range(1, count + 1), *columns, strict=True)

    def _votes(self) -> Rows:
        for number in self._rng.sample(range(self.reviews * self.authors), self.votes):
            yield 1 + number // self.authors, FIRST_AUTHOR + number % self.authors, "ft"[number % 4 > 0], NEWEST

    def _comments(self) -> Rows:
        deals = self._popular(self.comments)
        newest_of: dict[int, int] = {}
        parents: list[int | None] = []
        for number, (deal, is_reply) in enumerate(
            zip(deals, self._rng.choices((True, False), (2, 3), k=self.comments), strict=True), 1
        ):
            parents.append(newest_of.get(deal) if is_reply else None)
            if not is_reply or number % 3 == 0:  # some answer an answer
                newest_of[deal] = number
        texts = self._rng.choices(words.COMMENTS, k=self.comments)
        columns = deals, parents, self._people(self.comments), texts, self._times(self.comments, 360)
        return zip(range(1, self.comments + 1), *columns, strict=True)

    def _watched(self) -> Rows:
        for person, deal in self._pairs(self.watched):
            yield person, deal, NEWEST

    def _alerts(self) -> Rows:
        """Below the present price, so that none is due."""
        for person, deal in self._pairs(self.alerts):
            yield person, deal, self._prices[deal - 1][0] * 4 // 5, NEWEST

    def _notifications(self) -> Rows:
        """All of them are over: a worker would send what is not."""
        count = self.notifications
        kinds = self._rng.choices(("price_drop", "price_alert", "new_review", "new_reply"), (4, 1, 3, 2), k=count)
        states = self._rng.choices(("sent", "dead"), (96, 4), k=count)
        columns = kinds, states, self._popular(count), self._people(count), self._times(count, 90)
        for number, (kind, state, deal, person, at) in enumerate(zip(*columns, strict=True), 1):
            attempts = 3 if state == "dead" else 1 + (number % 9 == 0)
            ended = (datetime.fromisoformat(at) + timedelta(milliseconds=120 + number * 37 % 4_000)).isoformat()
            sent_at = ended if state == "sent" else None
            yield number, person, deal, kind, state, f"{kind}.{deal}.{person}.{number}", attempts, at, ended, sent_at


def _tries(notices: Iterable[Row]) -> Rows:
    """The attempts that each notification ended by; all but the last met a mail server in trouble."""
    for number, _, _, _, state, _, attempts, at, ended, _ in notices:
        for attempt in range(1, int(str(attempts)) + 1):
            is_last = attempt == attempts
            yield number, attempt, "seed", at, ended, "sent" if is_last and state == "sent" else "temporary"
