"""Does the service keep what its OpenAPI document promises?"""

from fnmatch import fnmatchcase

import pytest

from harness.testing.probes import METHODS, parse_media_type


@pytest.mark.check("openapi.document", severity="high", source="OpenAPI 3.1, 4.8.1")
def test_the_document_is_one(document):
    assert isinstance(document, dict), "the document is no object"
    assert str(document.get("openapi", "")).startswith("3.")
    assert isinstance(document["info"], dict), "/info is no object"
    assert document["info"]["title"]
    assert document["paths"]


@pytest.mark.check("openapi.operations", source="OpenAPI 3.1, 4.8.10")
def test_every_operation_has_a_name_of_its_own_and_answers(document):
    assert isinstance(document["paths"], dict), "/paths is no object"
    items = document["paths"].items()
    assert [path for path, item in items if not isinstance(item, dict)] == [], "path items that are no objects"
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, item in items
        for method, operation in item.items()
        if method in METHODS
    ]
    assert [name for name, operation in operations if not isinstance(operation, dict)] == []
    assert operations, "the document describes no operation"
    assert [name for name, operation in operations if not operation.get("responses")] == []
    ids = [str(operation["operationId"]) for _, operation in operations if "operationId" in operation]
    assert len(ids) == len(set(ids))


@pytest.mark.check("openapi.paths", severity="high", source="OpenAPI 3.1, 4.8.8.1", subject="GET")
def test_every_path_is_one_of_the_service(document, surface, measure):
    assert isinstance(document, dict), "the document is no object"
    tried = len(surface.paths)
    if surface.found > tried:
        reason = f"{tried} of {surface.found} paths are tried, drawn the same way of the same document"
        exact = {"statistic": "count", "interval": (tried, tried), "method": "exact"}
        measure("openapi.sample", tried, unit="paths", n=surface.found, reason=reason, **exact)
    assert list(surface.left_out) == [], "paths that lead elsewhere, or that no request can hold: nothing asks for them"


@pytest.mark.check("openapi.answers", severity="high", source="OpenAPI 3.1, 4.8.17", subject="GET {path}")
def test_an_answer_is_one_that_was_promised(client, described, path):
    operation = described.find("GET", path)
    if operation is None:
        pytest.skip("the path is not in the document")
    answer = client.exchange("GET", path)
    kinds = described.media_types(operation, answer.status)
    assert kinds is not None, f"status {answer.status} is not among {sorted(operation.statuses)}"
    if kinds:
        assert answer.size, "a body is promised, and there is none"
        told = parse_media_type(answer.header("Content-Type"))
        kind = told.essence if told else ""
        promised = [each.partition(";")[0].strip().lower() for each in kinds]
        assert any(fnmatchcase(kind, each) for each in promised), f"{kind or 'no media type'} is not among {promised}"


@pytest.mark.check("openapi.bodies", severity="high", source="OpenAPI 3.1, 4.8.14", subject="GET {path}")
def test_a_body_has_the_promised_shape(client, described, path):
    operation = described.find("GET", path)
    if operation is None:
        pytest.skip("the path is not in the document")
    answer = client.exchange("GET", path)
    kind = parse_media_type(answer.header("Content-Type"))
    if kind is None or not kind.is_json:
        pytest.skip("not applicable: the answer is no JSON")
    found = described.mismatches(operation, answer.status, kind.essence, answer.json())
    assert not found, [f"{mismatch.at}: {mismatch.says}" for mismatch in found]


@pytest.mark.check("openapi.members", severity="high", source="OpenAPI 3.1, 4.8.14", subject="below GET {path}")
def test_what_a_list_names_has_the_promised_shape(client, described, path):
    below = [one for one in described.operations if one.is_open_below(path)]
    if not below:
        pytest.skip("not applicable: nothing lies below the path that anybody may read")
    # the last ones: other tests make and delete those that come first meanwhile
    names = identifiers(client.exchange("GET", path).json())[-3:]
    if not names:
        pytest.skip("not applicable: the path lists nothing that has an id")
    for operation in below:
        answers = [client.exchange("GET", operation.path_for(name)) for name in names]
        assert 200 in [answer.status for answer in answers]
        for answer in answers:
            kind = parse_media_type(answer.header("Content-Type"))
            assert kind is not None
            if kind.is_json:
                found = described.mismatches(operation, answer.status, kind.essence, answer.json())
                assert not found, [f"{mismatch.at}: {mismatch.says}" for mismatch in found]


def identifiers(listed):
    """The ids of what a list holds, be it an array or an object with an array in it."""
    members = listed.values() if isinstance(listed, dict) else [listed]
    arrays = [one for one in members if isinstance(one, list)]
    return [item["id"] for array in arrays[:1] for item in array if isinstance(item, dict) and "id" in item]
