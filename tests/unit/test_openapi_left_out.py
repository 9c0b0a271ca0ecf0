"""Operations that nothing calls: what the profile leaves out, and reads whose path gives an order."""

import pytest

from harness.load.scenario import scenario
from harness.model import Load, OpenApiPath, Service, Target
from harness.probes.acts import seems_to_act


@pytest.mark.parametrize(
    ("line", "method", "path", "out"),
    [
        ("GET /createdb", "GET", "/createdb", True),
        ("GET /createdb", "get", "/createdb/?now=1", True),
        ("GET /createdb", "POST", "/createdb", False),
        ("/admin/*", "DELETE", "/admin/users/{id}", True),
        ("/admin/*", "GET", "/administrators", False),
    ],
)
def test_a_line_leaves_out_what_it_names(line, method, path, out):
    assert OpenApiPath(leave_out=(line,)).leaves_out(method, path) is out


def test_load_does_not_ask_what_is_left_out():
    target = Target(
        name="x",
        source="",
        service=Service(url="http://127.0.0.1:9"),
        load=Load(paths={"/createdb": 1.0, "/items": 1.0}),
        openapi=OpenApiPath(leave_out=("GET /createdb",)),
    )
    assert [each.path for each in scenario(target)] == ["/items"]


@pytest.mark.parametrize("path", ["/createdb", "/logout", "/admin/reset-all", "/deleteUser", "/delete.php"])
def test_a_path_that_gives_an_order_seems_to_act(path):
    assert seems_to_act(path, {})


@pytest.mark.parametrize("path", ["/cancelled", "/deleted-items", "/clearance", "/orders/{delete}", "/seeds"])
def test_a_path_that_names_a_thing_does_not(path):
    assert not seems_to_act(path, {})


def test_a_document_may_say_it():
    assert seems_to_act("/x", {"x-side-effects": True})
    assert seems_to_act("/x", {"x-readonly": False})
    assert not seems_to_act("/x", {"x-side-effects": False})
