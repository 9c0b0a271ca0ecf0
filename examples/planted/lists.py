"""Lists of wishes, with what is on them: who may see, share, sort and remove them."""

from __future__ import annotations

import re
import secrets
import zlib

from core import OPEN, TEXT, Answer, Ask, Refusal, route, rows, thing

lists: dict[str, dict] = {}
pictures: dict[str, tuple[bytes, str]] = {}
settings_of_all: dict[str, object] = {}


def is_mine(ask: Ask, owner: str) -> bool:
    """Is it the account's own?"""
    return owner == ask.user["username"]


@route("GET", "/api/v2/lists", query={"owner": TEXT})
def own_lists(ask: Ask) -> list:
    """The lists of an account: one's own."""
    owners = [value for key, value in ask.pairs if key == "owner"] or [ask.user["username"]]
    checked = owners[:1] if "sent_twice" in OPEN else owners
    if not all(is_mine(ask, each) for each in checked):
        raise Refusal(403, "not yours")
    return [each for each in lists.values() if each["owner"] == owners[-1] and not each["deleted"]]


@route("POST", "/api/v2/lists", body=thing(title=TEXT))
def make_list(ask: Ask) -> Answer:
    """Make a list."""
    made = {"id": secrets.token_hex(6), "owner": ask.user["username"], "title": ask.text("title"), "deleted": False}
    lists[made["id"]] = made
    more = {}
    polluted = ask.body.get("__proto__")
    if "prototype" in OPEN and isinstance(polluted, dict):
        settings_of_all.update(polluted)
    if "prototype" in OPEN:
        more = settings_of_all
    return Answer(made | more, 201)


def list_of(ask: Ask, list_id: str) -> dict:
    """A list that the account may see."""
    found = lists.get(list_id)
    asked = ask.query.get("include_deleted") == "true"
    if found is None or (found["deleted"] and not asked):
        raise Refusal(404, "no such list")
    is_open = "deleted_read" in OPEN and found["deleted"]
    if not is_mine(ask, found["owner"]) and not is_open:
        raise Refusal(404, "no such list")
    return found


@route("GET", "/api/v2/lists/{list_id}", query={"include_deleted": {"type": "boolean"}})
def one_list(ask: Ask) -> dict:
    """A list with its wishes."""
    found = list_of(ask, ask.names["list_id"])
    return found | {"wishes": [each for each in wishes if each["list"] == found["id"]]}


@route("DELETE", "/api/v2/lists/{list_id}")
def delete_list(ask: Ask) -> Answer:
    """Put it away."""
    found = lists.get(ask.names["list_id"])
    if found is None or found["deleted"] or not (is_mine(ask, found["owner"]) or ask.is_overridden):
        raise Refusal(404, "no such list")
    found["deleted"] = True
    return Answer(None, 204)


wishes: list[dict] = []


@route("POST", "/api/v2/wishes", body=thing(text=TEXT, list=thing(id=TEXT)))
def wish(ask: Ask) -> Answer:
    """Put something on a list."""
    found = lists.get(ask.text("list", "id"))
    if found is None or not (is_mine(ask, found["owner"]) or "put_into" in OPEN):
        raise Refusal(404, "no such list")
    wishes.append({"id": len(wishes) + 1, "list": found["id"], "text": ask.text("text")})
    return Answer(wishes[-1], 201)


boxes: dict[str, dict] = {}


@route("GET", "/api/v2/boxes")
def own_boxes(ask: Ask) -> list:
    """One's own boxes."""
    return [each for each in boxes.values() if is_mine(ask, each["owner"])]


@route("POST", "/api/v2/boxes", body=thing(label=TEXT))
def make_box(ask: Ask) -> Answer:
    """Make a box."""
    made = {"id": secrets.token_hex(6), "owner": ask.user["username"], "label": ask.text("label")}
    boxes[made["id"]] = made
    return Answer(made, 201)


def box_of(ask: Ask) -> dict:
    """The box that is asked for."""
    found = boxes.get(ask.names["box_id"])
    if found is None or not is_mine(ask, found["owner"]):
        raise Refusal(404, "no such box")
    return found


def tag_of(found: dict) -> str:
    """The state that a box is in."""
    return f'"{zlib.crc32(found["label"].encode()):x}"'


@route("GET", "/api/v2/boxes/{box_id}")
def box(ask: Ask) -> Answer:
    """A box."""
    found = box_of(ask)
    return Answer(found, headers={"ETag": tag_of(found)})


@route("PUT", "/api/v2/boxes/{box_id}", body=thing(label=TEXT), headers={"If-Match": TEXT}, status="412")
def change_box(ask: Ask) -> dict:
    """Write something else on a box, if it is as it was seen."""
    found, seen = box_of(ask), ask.headers.get("If-Match", "*")
    if seen not in ("*", tag_of(found)) and "update_lost" not in OPEN:
        raise Refusal(412, "somebody else changed it")
    found["label"] = ask.text("label")
    return found


def delete_box(box_id: str) -> Answer:
    """Throw a box away: a method that nobody described."""
    if boxes.pop(box_id, None) is None:
        raise Refusal(404, "no such box")
    return Answer(None, 204)


@route("GET", "/api/v2/people", query={"q": TEXT, "sort": TEXT})
def people(ask: Ask) -> list:
    """Accounts whose name is that text."""
    sought, sort = ask.query.get("q", ask.user["username"]), ask.query.get("sort", "username")
    if sort not in {"username", "id"} | ({"hash"} if "sort_secret" in OPEN else set()):
        raise Refusal(422, "sort: username or id was expected")
    where = "username LIKE ?" if "wildcard" in OPEN else "username = ?"
    shown = "id, username, email" if "wildcard" in OPEN else "id, username"
    return rows(f"SELECT {shown} FROM users WHERE {where} ORDER BY {sort} LIMIT 50", sought)  # noqa: S608 - from lists


PICTURE = {"type": "object", "required": ["picture"], "properties": {"picture": {**TEXT, "format": "binary"}}}


@route("POST", "/api/v2/pictures", body=PICTURE, kind="multipart/form-data")
def take_picture(ask: Ask) -> Answer:
    """Keep a picture."""
    found = re.search(
        rb'name="picture"; filename="([^"\r\n]*)"\r\n(?:Content-Type: ([^\r\n]+)\r\n)?[^\0]*?\r\n(.*?)\r\n--',
        ask.data,
        re.DOTALL,
    )
    if found is None:
        raise Refusal(422, "picture: a file was expected")
    name, kind, data = found[1].decode("latin-1"), (found[2] or b"").decode("latin-1"), found[3]
    if "file_kind" not in OPEN and not data.startswith(b"\x89PNG"):
        raise Refusal(422, "picture: a PNG was expected")
    folder = f"/pictures/{ask.user['id']}"
    place = f"{folder}/{secrets.token_hex(8)}.png"
    if "file_name" in OPEN:
        place = f"/pictures/{name[3:]}" if name.startswith("../") else f"{folder}/{name}"
    elif "file_kind" in OPEN:
        place = f"{folder}/{secrets.token_hex(8)}.{name.rpartition('.')[2]}"
    pictures[place] = (data, kind if "file_kind" in OPEN else "image/png")
    return Answer({"picture": place}, 201)


def picture(path: str) -> Answer:
    """A picture that was kept."""
    if path not in pictures:
        raise Refusal(404, "no such picture")
    data, kind = pictures[path]
    return Answer(data, headers={"Content-Type": kind})
