"""What the shop keeps for its accounts: reviews, orders, notes, lists, products."""

from __future__ import annotations

import re
import time
import uuid

from core import OPEN, TEXT, WHOLE, Answer, Ask, Refusal, db, kept_reviews, lock, route, rows, thing


@route("GET", "/api/v2/reviews")
def reviews(ask: Ask) -> list:
    """One's own reviews."""
    return [each for each in kept_reviews if each["author_id"] == ask.user["id"]]


@route("POST", "/api/v2/reviews", body=thing(stars=WHOLE, text=TEXT))
def review(ask: Ask) -> Answer:
    """Say something."""
    given = ask.body.get("author_id") if "author" in OPEN else None
    made = {"id": len(kept_reviews) + 1, "author_id": given or ask.user["id"], "text": ask.text("text")}
    kept_reviews.append(made)
    return Answer(made, 201)


@route("POST", "/api/v2/coupons/check", body=thing(coupon={}))
def coupon(ask: Ask) -> dict:
    """Is that a coupon?"""
    if "coupon" not in ask.body:
        raise Refusal(422, "coupon: something was expected")
    value = ask.body["coupon"]
    if isinstance(value, dict) and "operator" in OPEN and set(value) <= {"$ne", "$eq"}:
        known = [
            each for each in ("SPRING",) if each != value.get("$ne", each + "x") and value.get("$eq", each) == each
        ]
        return {"worth": 10 if known else 0}
    return {"worth": 10 if value == "SPRING" else 0}


used: set[str] = set()


@route("POST", "/api/v2/coupons/redeem", body=thing(coupon={**TEXT, "example": "SPRING"}))
def redeem(ask: Ask) -> dict:
    """Use a coupon, once an account."""
    name = ask.user["username"]
    if ask.text("coupon") != "SPRING":
        raise Refusal(404, "no such coupon")
    if "coupon_race" in OPEN:
        is_used = name in used
        time.sleep(0.05)
    with lock:
        if is_used if "coupon_race" in OPEN else name in used:
            raise Refusal(409, "it was used")
        used.add(name)
        rows("UPDATE users SET credit = credit + 10 WHERE username = ?", name)
    return {"redeemed": True}


@route("GET", "/api/v2/store")
def store(_ask: Ask) -> dict:
    """Where things lie."""
    return {"halls": ["north", "south"], "shelves": 480}


@route("GET", "/api/v2/admin/stock", tag="admin")
def stock(ask: Ask) -> dict:
    """What is left."""
    if ask.user["role"] != "admin" and not ("bypass" in OPEN and ask.headers.get("X-Forwarded-For") == "127.0.0.1"):
        raise Refusal(403, "not for you")
    return {"left": 17}


@route("GET", "/api/v2/admin/users", tag="admin")
def all_users(ask: Ask) -> list:
    """All accounts."""
    if ask.user["role"] != "admin" and "function_level" not in OPEN:
        raise Refusal(403, "not for you")
    return rows("SELECT id, username, role FROM users")


@route("GET", "/api/v2/orders")
def orders(ask: Ask) -> dict:
    """One's own orders."""
    return {"orders": rows("SELECT * FROM orders WHERE owner = ?", ask.user["username"])}


@route("POST", "/api/v2/orders", body=thing(product=TEXT, quantity={**WHOLE, "minimum": 1, "maximum": 9}, note=TEXT))
def order(ask: Ask) -> Answer:
    """Order something."""
    quantity = ask.body.get("quantity")
    least = -9 if "amount" in OPEN else 1
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not least <= quantity <= 9:
        raise Refusal(422, "quantity: 1 to 9 was expected")
    total = ask.body.get("total") if "mass_order" in OPEN else None
    values = ask.user["username"], ask.text("product"), quantity, total or quantity * 9.5, ask.text("note")
    with lock:
        made = db.execute("INSERT INTO orders VALUES (NULL, ?, ?, ?, ?, ?)", values).lastrowid
    return Answer(rows("SELECT * FROM orders WHERE id = ?", made)[0], 201)


@route("GET", "/api/v2/orders/{order_id}", query={"expand": {**TEXT, "enum": ["owner"]}})
def one_order(ask: Ask) -> dict:
    """One order."""
    found = rows("SELECT * FROM orders WHERE id = ?", ask.names["order_id"])
    if not found or (found[0]["owner"] != ask.user["username"] and "object_read" not in OPEN):
        raise Refusal(404, "no such order")
    if ask.query.get("expand") == "owner":
        members = "*" if "expand" in OPEN else "id, username"
        owner = rows(f"SELECT {members} FROM users WHERE username = ?", found[0]["owner"])  # noqa: S608 - one of two texts
        return found[0] | {"owner_account": owner[0]}
    return found[0]


@route("GET", "/api/v2/notes", query={"of": TEXT})
def notes(ask: Ask) -> list:
    """Notes of an account: one's own."""
    owner = ask.query.get("of") or ask.user["username"] if "object_query" in OPEN else ask.user["username"]
    return rows("SELECT id, owner, title, text FROM notes WHERE owner = ?", owner)


@route("POST", "/api/v2/notes", body=thing(title=TEXT, text=TEXT), kind="application/x-www-form-urlencoded")
def note(ask: Ask) -> Answer:
    """Write a note."""
    made = {"id": str(uuid.uuid4()), "owner": ask.user["username"]}
    made |= {name: ask.text(name) for name in ("title", "text")}
    rows("INSERT INTO notes VALUES (?, ?, ?, ?, 0)", *made.values())
    return Answer(made, 201)


def note_of(ask: Ask, hole: str) -> str:
    """The id of a note that may be changed."""
    found = rows("SELECT * FROM notes WHERE id = ?", ask.names["note_id"])
    if not found or (found[0]["owner"] != ask.user["username"] and hole not in OPEN):
        raise Refusal(404, "no such note")
    return str(found[0]["id"])


@route("PUT", "/api/v2/notes/{note_id}", body=thing(title=TEXT, text=TEXT))
def change_note(ask: Ask) -> dict:
    """Write it anew."""
    rows("UPDATE notes SET title = ?, text = ? WHERE id = ?", ask.text("title"), ask.text("text"),
         note_of(ask, "object_change"))  # fmt: skip
    return {"changed": True}


@route("DELETE", "/api/v2/notes/{note_id}")
def delete_note(ask: Ask) -> Answer:
    """Throw it away."""
    rows("DELETE FROM notes WHERE id = ?", note_of(ask, "object_delete"))
    return Answer(None, 204)


@route("POST", "/api/v2/notes/batch", body=thing(ids={"type": "array", "items": TEXT}))
def notes_of_ids(ask: Ask) -> list:
    """Several notes at once."""
    ids = ask.body.get("ids")
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise Refusal(422, "ids: a list of texts was expected")
    found = [row for each in ids[:50] for row in rows("SELECT id, owner, title, text FROM notes WHERE id = ?", each)]
    return [each for each in found if each["owner"] == ask.user["username"] or "batch" in OPEN]


@route("GET", "/api/v2/reports")
def reports(_ask: Ask) -> dict:
    """How the shop does."""
    return {"turnover": rows("SELECT SUM(total) AS sum FROM orders")[0]["sum"], "currency": "EUR"}


@route(
    "GET",
    "/api/v2/products",
    login=False,
    query={"q": TEXT, "sort": TEXT, "limit": {**WHOLE, "minimum": 0, "maximum": 99_999_999}},
)
def products(ask: Ask) -> dict:
    """The products whose name holds a text."""
    sought, sort = ask.query.get("q", ""), ask.query.get("sort", "id")
    given = ask.query.get("limit", "10")
    if "odd_number" not in OPEN and not re.fullmatch(r"[0-9]{1,9}", given):
        raise Refusal(422, "limit: a number was expected")
    limit = int(given)
    limit = limit if "page_limit" in OPEN else min(limit, 25)
    sort = sort if sort in ("id", "name", "price") or "sql_sort" in OPEN else "id"
    where, values = ("name LIKE ?", [f"%{sought}%"])
    if "sql_search" in OPEN:
        where, values = f"name LIKE '%{sought}%'", []
    found = rows(f"SELECT * FROM products WHERE {where} ORDER BY {sort} LIMIT {limit}", *values)  # noqa: S608 - planted
    return {"products": found, "limit": limit}


@route("GET", "/api/v2/products/{slug}", login=False, headers={"X-Currency": TEXT})
def product(ask: Ask) -> dict:
    """One product."""
    where, values = "slug = ?", [ask.names["slug"]]
    if "sql_path" in OPEN:
        where, values = f"slug = '{ask.names['slug']}'", []
    found = rows(f"SELECT * FROM products WHERE {where}", *values)  # noqa: S608 - planted
    if not found:
        raise Refusal(404, "no such product")
    currency = ask.headers.get("X-Currency", "EUR")
    sql, values = "SELECT 'known' AS known WHERE ? = 'EUR'", [currency]
    if "sql_header" in OPEN:
        sql, values = f"SELECT 'known' AS known WHERE '{currency}' <> ''", []
    return found[0] | {"currency": "known" if rows(sql, *values) else "unknown"}
