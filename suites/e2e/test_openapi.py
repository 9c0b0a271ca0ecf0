"""Does the service keep what its OpenAPI document promises?"""

from collections import Counter
from fnmatch import fnmatchcase

import pytest

from harness.testing.probes import METHODS, UnreadDocument, parse_media_type


@pytest.mark.check("openapi.document", severity="high", source="OpenAPI 3.1, 4.8.1")
def test_the_document_is_one(described, document, measure):
    if nulls := len(described.document.nulls):
        reason = described.document.tell_nulls()
        measure("openapi.nulls", nulls, unit="members", n=nulls, reason=reason, **counted(nulls))
    if unread := len(described.unread):
        n = unread + len(described.operations)
        measure("openapi.unread", unread, unit="operations", n=n, reason=unread_of(described), **counted(unread))
    info = document.get("info")
    assert isinstance(info, dict), "/info is no object"
    assert info.get("title"), "/info/title is missing or empty"
    if says_nothing_of_paths(document):
        pytest.skip("not applicable: the document is about webhooks or components alone, and describes no path")
    assert document.get("paths"), "/paths is missing or empty"


def says_nothing_of_paths(document):
    """From 3.1 on a document may hold webhooks or components alone."""
    others = not document.keys().isdisjoint({"webhooks", "components"})
    return "paths" not in document and others and str(document["openapi"]) >= "3.1"


@pytest.mark.check("openapi.operations", source="OpenAPI 3.1, 4.8.10")
def test_every_operation_has_a_name_of_its_own_and_answers(described, document):
    if says_nothing_of_paths(document):
        pytest.skip("not applicable: the document is about webhooks or components alone, and describes no path")
    items = document.get("paths", {}).items()
    assert [path for path, item in items if not isinstance(item, dict)] == [], "path items that are no objects"
    written = [
        (f"{method.upper()} {path}", operation)
        for path, item in items
        for method, operation in item.items()
        if method in METHODS
    ]
    odd = [name for name, operation in written if not isinstance(operation, dict)]
    assert not odd, f"operations that are no objects: {', '.join(odd)}"
    assert described.operations or described.unread, "the document describes no operation"
    mute = [one.name for one in described.operations if not one.statuses]
    assert not mute, f"operations that describe no answer: {', '.join(mute)}"
    names = Counter(one.operation_id for one in described.operations if one.operation_id)
    twice = [name for name, count in names.items() if count > 1]
    assert not twice, f"names of more than one operation: {', '.join(twice)}"


@pytest.mark.check("openapi.paths", severity="high", source="OpenAPI 3.1, 4.8.8.1", subject="GET")
@pytest.mark.usefixtures("described")
def test_every_path_is_one_of_the_service(surface, measure):
    tried = len(surface.paths)
    if surface.found > tried:
        reason = f"{tried} of {surface.found} paths are tried, drawn the same way of the same document"
        measure("openapi.sample", tried, unit="paths", n=surface.found, reason=reason, **counted(tried))
    assert list(surface.left_out) == [], "paths that lead elsewhere, or that no request can hold: nothing asks for them"


def counted(value):
    """What `measure` is told of a number that was counted."""
    return {"subject": "GET", "statistic": "count", "interval": (value, value), "method": "exact"}


def unread_of(described):
    """One line about operations that are not tried, since their description cannot be read."""
    name, why = next(iter(described.unread.items()))
    more = len(described.unread) - 1
    return f"{name} cannot be read, and is not tried ({why})" + (f"; so are {more} more" if more else "")


@pytest.mark.check("openapi.answers", severity="high", source="OpenAPI 3.1, 4.8.17", subject="GET {path}")
def test_an_answer_is_one_that_was_promised(client, described, path):
    operation = operation_at(described, path)
    answer = client.exchange("GET", path)
    try:
        kinds = described.media_types(operation, answer.status)
    except UnreadDocument as limit:
        pytest.skip(str(limit))
    assert kinds is not None, (
        f"{operation.name} answered {answer.status}; the document describes {', '.join(operation.statuses) or 'none'}"
    )
    if kinds:
        told = parse_media_type(answer.header("Content-Type"))
        assert answer.size or (told is not None and told.is_endless), (
            f"{operation.name} answered {answer.status} without a body; the document describes {', '.join(kinds)}"
        )
        kind = told.essence if told else ""
        promised = [each.partition(";")[0].strip().lower() for each in kinds]
        assert any(fnmatchcase(kind, each) for each in promised), (
            f"{operation.name} answered {answer.status} as {kind or 'no media type'}; "
            f"the document describes {', '.join(promised)}"
        )


@pytest.mark.check("openapi.bodies", severity="high", source="OpenAPI 3.1, 4.8.14", subject="GET {path}")
def test_a_body_has_the_promised_shape(client, described, path):
    operation = operation_at(described, path)
    answer = client.exchange("GET", path)
    if not keeps_its_schema(described, operation, answer):
        pytest.skip(
            f"the document has no schema for {answer.status} as {answer.header('Content-Type')}, or the answer is no "
            f"JSON or longer than {len(answer.body)} bytes: nothing was checked"
        )


@pytest.mark.check("openapi.members", severity="high", source="OpenAPI 3.1, 4.8.14", subject="below GET {path}")
def test_what_a_list_names_has_the_promised_shape(client, described, path):
    below = [one for one in described.operations if one.is_open_below(path)]
    if not below:
        pytest.skip("not applicable: nothing lies below the path that anybody may read")
    # the last ones: other tests make and delete those that come first meanwhile
    items = items_of(client.exchange("GET", path).json())[-3:]
    if not any(names_for(operation, items)[0] for operation in below):
        pytest.skip("not applicable: the path lists nothing that has an id")
    held = [
        keeps_its_schema(described, operation, answer)
        for operation in below
        for answer in answers_about(client, operation, items)
    ]
    if not any(held):
        pytest.skip("the document has no schema for what lies below the path: nothing was checked")


def answers_about(client, operation, items):
    """What the service says of each item; it has at least one of them, where it is sure what names one."""
    names, is_sure = names_for(operation, items)
    answers = [client.exchange("GET", operation.path_for(name)) for name in names]
    if not names or (not is_sure and 200 not in [answer.status for answer in answers]):
        return []
    assert 200 in [answer.status for answer in answers], f"{operation.name} answers 200 to none of {names}"
    return answers


def names_for(operation, items):
    """What the operation's path names each item by, and whether that is sure: `{slug}` means a member of that name,
    `{id}` and `{item_id}` below `items` its id, and any other word perhaps its id."""
    above, _, parameter = operation.path.partition("{")
    parameter = parameter.partition("}")[0]
    if any(parameter in item for item in items):
        return [item[parameter] for item in items if parameter in item], True
    kind = parameter.lower().replace("-", "").replace("_", "").removesuffix("id")
    is_sure = kind != parameter.lower() and kind in above.lower().replace("-", "").replace("_", "")
    return [item["id"] for item in items if "id" in item], is_sure


def operation_at(described, path):
    """What the document says of a GET of that path; without it the test is skipped."""
    operation = described.find("GET", path)
    if operation is None:
        why = described.unread.get(f"GET {path}") or described.unread.get(f"* {path}")
        pytest.skip(f"the harness cannot read the operation: {why}" if why else "the path is not in the document")
    return operation


def keeps_its_schema(described, operation, answer):
    """Hold a JSON answer to its schema. False if there is nothing to hold it to: nothing was checked."""
    kind = parse_media_type(answer.header("Content-Type"))
    # that a promised body is missing is said by openapi.answers
    if kind is None or not kind.is_json or not answer.size or len(answer.body) < answer.size:
        return False
    try:
        found = described.mismatches(operation, answer.status, kind.essence, answer.json())
    except UnreadDocument as limit:
        pytest.skip(str(limit))
    if found is None:
        return False
    places = "; ".join(f"{each.at}: {each.says}" for each in found)
    assert not places, f"{operation.name} answered {answer.status} as {kind.essence}: {places}"
    return True


def items_of(listed):
    """The objects that a list holds, be it an array or an object with an array in it."""
    members = listed.values() if isinstance(listed, dict) else [listed]
    arrays = [one for one in members if isinstance(one, list)]
    return [item for array in arrays[:1] for item in array if isinstance(item, dict)]
