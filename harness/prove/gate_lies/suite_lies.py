"""Lies in the tests: a suite that looks as if it had proven something."""

from __future__ import annotations

from collections.abc import Mapping

from harness.machine.bundle import root
from harness.prove.gate_lies.scene import Lie
from harness.prove.gate_lies.small_gate import POLICY, SOUND, SUITE, gated, profile

HEAD = 'import os, signal, httpx, pytest\n\n@pytest.mark.check("own.root")\ndef test_root(client):\n'
HEAD += '    assert client.get("/").status_code == 200\n\n'
CHECK = '@pytest.mark.check("own.item")\n'
PLAIN = f"""{HEAD}{CHECK}def test_item(client):
    assert client.get("/item").status_code == 200
"""
EMPTY = SUITE.replace('["/", "/item"]', "[]")
SILENT = f"""{HEAD}{CHECK}def test_item(client):
    client.get("/item")
"""
SWALLOWING = f"""{HEAD}{CHECK}def test_item(client):
    try:
        assert client.get("/item").status_code == 200
    except AssertionError:
        pytest.skip("the service is not ready for this test yet")
"""
CATCHING = f"""{HEAD}{CHECK}def test_item(client):
    try:
        assert client.get("/item").status_code == 200
    except AssertionError:
        print("the service is not ready for this test yet")
"""
LOOPING = f"""{HEAD}{CHECK}def test_item(client):
    for name in client.get("/item").json().get("MEMBER", ()):
        assert name
"""
EXPECTED_TO_FAIL = PLAIN.replace(CHECK, CHECK + '@pytest.mark.xfail(reason="known since spring")\n')
REPEATING = PLAIN.replace(CHECK, CHECK + "@pytest.mark.flaky(reruns=2)\n")
DYING = PLAIN + "    os.kill(os.getpid(), signal.SIGKILL)\n"
STRAY = PLAIN.replace("own.item", "legacy.item")
ASKING = f"""{HEAD}@pytest.fixture
def error_rate(stack):
    source = os.environ.get("METRICS") or stack.info.url
    answer = httpx.get(source + "/", timeout=2).raise_for_status()
    return 0.0 if answer.json()["fine"] else 1.0

{CHECK}def test_error_rate(error_rate):
    assert error_rate < 0.01
"""
SKIPPING_FILE = 'import pytest\npytest.importorskip("client_of_last_year")\n' + PLAIN
TORN_FILE = "import client_of_last_year\n" + PLAIN
MORE = "own/test_more.py"
HOOKS = "own/conftest.py"
IGNORING = 'collect_ignore = ["test_more.py"]\n'
DESELECTING = """def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "NAME" not in item.name]
"""
ITEM = PLAIN.replace(HEAD, "import pytest\n\n")
LIMIT = ("[ratelimit]", "limit = 20", "window_s = 2")
LIMIT_POLICY = """\
schema = 1
[[criterion]]
id = "ratelimit"
area = "security"
requires = "One client is served up to the limit, refused beyond it, and served again."
select = { check = "ratelimit.*" }
allow_skip = ["no untrusted peer can be played here*"]
"""
BROKEN = ("--env", "HOW=broken")
BROKEN_AT_FIRST = ("--env", "HOW=broken at first")


def limiter_suite() -> str:
    """The real suite of the limiter."""
    return (root() / "suites" / "security" / "test_ratelimit.py").read_text(encoding="utf-8")


PLAIN_GATE = gated(suite=PLAIN)
TWO_FILES = gated(files={MORE: PLAIN})
LIMITED = {"small.toml": profile(*LIMIT, present="ratelimit")}

LIES: Mapping[str, Lie] = {
    "suite-without-tests": Lie(told=gated(suite=EMPTY), honest=SOUND),
    "test-without-assertion": Lie(told=gated(*BROKEN, suite=SILENT), honest=PLAIN_GATE),
    "assertion-caught": Lie(told=gated(*BROKEN, suite=CATCHING), honest=gated(suite=CATCHING)),
    "loop-over-nothing": Lie(
        told=gated(suite=LOOPING.replace("MEMBER", "items")), honest=gated(suite=LOOPING.replace("MEMBER", "names"))
    ),
    "skip-for-an-error": Lie(told=gated(*BROKEN, suite=SWALLOWING), honest=gated(suite=SWALLOWING)),
    "expected-to-fail": Lie(told=gated(*BROKEN, suite=EXPECTED_TO_FAIL), honest=PLAIN_GATE),
    "file-that-skips-itself": Lie(told=gated(files={MORE: SKIPPING_FILE}), honest=TWO_FILES),
    "file-not-collected": Lie(told=gated(files={MORE: TORN_FILE}), honest=TWO_FILES),
    "pass-on-the-second-try": Lie(
        told=gated(*BROKEN_AT_FIRST, suite=PLAIN, policy=POLICY.replace("[[", "retries = 1\n[[")),
        honest=gated(suite=PLAIN, policy=POLICY.replace("[[", "retries = 1\n[[")),
    ),
    "retry-in-the-suite": Lie(told=gated(*BROKEN_AT_FIRST, suite=REPEATING), honest=gated(suite=REPEATING)),
    "retry-in-the-environment": Lie(
        told=gated(*BROKEN_AT_FIRST, suite=PLAIN, env={"PYTEST_ADDOPTS": "--reruns 3"}),
        honest=gated(suite=PLAIN, env={"PYTEST_ADDOPTS": "--reruns 3"}),
    ),
    "test-deselected-in-the-environment": Lie(
        told=gated(*BROKEN, suite=PLAIN, env={"PYTEST_ADDOPTS": "-k root"}),
        honest=gated(suite=PLAIN, env={"PYTEST_ADDOPTS": "-k root"}),
    ),
    "file-ignored-by-the-suite": Lie(
        told=gated(*BROKEN, suite=HEAD, files={MORE: ITEM, HOOKS: IGNORING}),
        honest=gated(suite=HEAD, files={MORE: ITEM}),
    ),
    "test-deselected-by-the-suite": Lie(
        told=gated(*BROKEN, suite=PLAIN, files={HOOKS: DESELECTING.replace("NAME", "item")}),
        honest=gated(suite=PLAIN, files={HOOKS: DESELECTING.replace("NAME", "later")}),
    ),
    "worker-that-died": Lie(told=gated("-n", "2", suite=DYING), honest=gated("-n", "2", suite=PLAIN)),
    "failure-nobody-selects": Lie(told=gated(*BROKEN, suite=STRAY), honest=gated(suite=STRAY)),
    "metrics-not-there": Lie(
        told=gated(suite=ASKING, env={"METRICS": "http://127.0.0.1:9"}), honest=gated(suite=ASKING)
    ),
    "ten-requests-and-no-refusal": Lie(
        told=gated(suite=limiter_suite, policy=LIMIT_POLICY, files=LIMITED),
        honest=gated(
            "--env", "LIMIT=20", "--env", "WINDOW_S=2", suite=limiter_suite, policy=LIMIT_POLICY, files=LIMITED
        ),
    ),
}
