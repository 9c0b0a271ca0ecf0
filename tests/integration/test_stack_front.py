"""A proxy in front of a stack's service: one URL for several instances, TLS by a throw-away authority, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.load.samples import Failure
from harness.model import StackInfo
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.timed_get import TimedConnection
from harness.proxy import running_proxy
from harness.proxy.program import behind_tls, plain
from harness.stack import Stack, health_problem, launch, open_stack
from harness.stack.ground import silent_part
from tests.scripted_server import Line, ScriptedServer
from tests.stack_desk import Desk
from tests.stack_target import eventually, folders_of, listens, marked_processes, small_target

WITHOUT_TRUSTME = """\
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "trustme" else found(name, package)
from harness.cli.main import main
sys.exit(main())
"""

LOAD = """\
import sys
from harness.load.connections import ConnectionPool
url, ca_file = sys.argv[1:]
for authority in (ca_file, ""):
    wire = ConnectionPool(url, 10.0, authority)
    status = wire.send(wire.request_bytes("GET", "/", {}) + b"\\r\\n").status
    print(getattr(status, "name", status))
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.write(needs="", mode="{url}")
    yield made
    made.run("down")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two instances behind TLS, for tests that break nothing."""
    target = small_target(tmp_path_factory.mktemp("front"), env={"MODE": "{url}"})
    with launch(target, instances=2, front="tls") as stack:
        yield stack


def info_of(desk: Desk) -> StackInfo:
    with open_stack(desk.folder / "state" / "harness" / "stacks" / "default" / "stack.json") as stack:
        return stack.info


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def asked(info: StackInfo, times: int) -> list[dict[str, str]]:
    """What the instances say of themselves, one request after another."""
    with RecordingClient(info.url, ca_file=info.ca_file) as client:
        return [client.exchange("GET", "/").json() for _ in range(times)]


def test_one_url_goes_round_all_instances_which_are_told_of_it(shared: Stack) -> None:
    info = shared.info
    said = asked(info, 6)
    assert Counter(int(one["PORT"]) for one in said) == {port_of(each.url): 3 for each in info.instances}
    assert {one["MODE"] for one in said} == {info.url}
    assert info.url not in {each.url for each in info.instances}
    assert info.settings["MODE"] == info.url


def test_instances_are_reached_past_the_proxy_too_and_a_further_one_is_told_its_own_url(shared: Stack) -> None:
    for each in shared.info.instances:
        assert int(httpx.get(each.url).json()["PORT"]) == port_of(each.url)
    extra = shared.start_instance({})
    try:
        assert httpx.get(extra.url).json()["MODE"] == extra.url
    finally:
        shared.stop_instance(extra)


def test_only_who_is_told_of_the_authority_trusts_it(shared: Stack) -> None:
    info = shared.info
    assert info.url.startswith("https://127.0.0.1:")
    with pytest.raises(ServiceUnavailable, match="CERTIFICATE_VERIFY_FAILED"), RecordingClient(info.url) as client:
        client.get("/")
    other_name = info.url.replace("127.0.0.1", "localhost")
    assert httpx.get(other_name, verify=ssl.create_default_context(cafile=info.ca_file)).status_code == 200
    plain = f"https://127.0.0.1:{port_of(info.instances[0].url)}/"
    with RecordingClient(info.url, ca_file=info.ca_file, also=(plain,)) as client:
        client.get("/")
        with pytest.raises(ServiceUnavailable) as failure:
            client.get(plain)
    assert f"curl -sS -i --cacert {info.ca_file} https://" in failure.value.curl


def test_what_times_answers_trusts_the_authority_it_is_told_of_and_no_other(shared: Stack) -> None:
    info = shared.info
    with TimedConnection(info.url, timeout_s=10, ca_file=info.ca_file) as connection:
        assert connection.get("/").status == 200
    with TimedConnection(info.url, timeout_s=10) as connection, pytest.raises(ServiceUnavailable, match="CERTIFICATE"):
        connection.get("/")
    # gevent and pytest do not share a process
    ended = subprocess.run(
        [sys.executable, "-c", LOAD, info.url, info.ca_file], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout.split() == ["200", Failure.UNREACHABLE.name], ended.stderr


def test_nobody_keeps_a_key_that_could_sign_for_the_authority(shared: Stack) -> None:
    folder = Path(shared.info.ca_file).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    keys = [path for path in folder.iterdir() if "PRIVATE KEY" in path.read_text()]
    assert [path.name.partition("-")[0] for path in keys] == ["server"]
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600
    assert Path(shared.info.ca_file) not in keys


def test_a_browser_trusts_that_key_alone(shared: Stack, tmp_path: Path) -> None:
    from playwright.sync_api import Error, sync_playwright

    from harness.probes.chromium import arguments_to_trust, find_chromium

    found = find_chromium(os.environ.get("HARNESS_CHROMIUM", ""))
    if found is None:
        assert os.environ.get("CI") != "true", "no Chromium"
        pytest.skip("no Chromium on this machine")
    with launch(small_target(tmp_path), front="tls") as stranger, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable,
            args=[*found.args, *arguments_to_trust(shared.info.key_pin)],
            env={**os.environ, **found.env},
        )
        page = browser.new_page()
        answer = page.goto(shared.info.url)
        assert answer is not None
        assert answer.status == 200
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            page.goto(stranger.info.url)
        browser.close()


@pytest.mark.parametrize(("handler", "wanted"), [(behind_tls, [b"https"]), (plain, [b"http", b"ftp"])])
def test_the_service_is_told_that_a_request_came_over_tls_whatever_the_client_says(handler, wanted) -> None:
    seen: list[bytes] = []

    def script(line: Line) -> None:
        while request := line.read():
            seen.append(request)
            line.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    with ScriptedServer(script) as server, running_proxy([server.url], handler) as proxy:
        httpx.get(proxy.url, headers=[("X-Forwarded-Proto", "http"), ("x-forwarded-proto", "ftp")])
    assert re.findall(rb"(?i)\r\nx-forwarded-proto: (\w+)", seen[0]) == wanted


def test_one_instance_has_nothing_in_front(desk: Desk) -> None:
    up = json.loads(desk.up("--json", "--instances", "1")[0])
    assert up["url"] == up["instances"][0]["url"]
    assert up["ca_file"] is None
    assert not info_of(desk).has_front


def test_up_status_logs_and_down_know_it(desk: Desk) -> None:
    up = json.loads(desk.up("--json", "--instances", "2", "--tls")[0])
    assert desk.status() == up
    assert len(up["instances"]) == 2
    shown = desk.run("status")[0]
    assert all(words in shown for words in (up["url"], up["ca_file"], *(each["url"] for each in up["instances"])))
    context = ssl.create_default_context(cafile=up["ca_file"])
    os.kill(up["instances"][0]["pid"], signal.SIGKILL)
    with httpx.Client(verify=context, base_url=up["url"]) as client:
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(client.get("/").status_code)
            except httpx.RemoteProtocolError:
                outcomes.append(0)
    # a dead instance keeps its turn: its fault is seen
    assert Counter(outcomes) == {200: 2, 0: 2}
    written = desk.run("logs", "front")[0].splitlines()
    assert [line.partition(": ")[0] for line in written] == ["cut 127.0.0.1"] * 2
    assert up["instances"][0]["url"] in desk.run("status")[1]
    mark = desk.keeper()["mark"]
    desk.run("down")
    assert not listens(port_of(up["url"]))
    assert marked_processes(mark) == []
    assert folders_of(mark) == []
    assert not Path(up["ca_file"]).exists()


def test_a_proxy_that_is_gone_is_the_stacks_fault_and_noticed(desk: Desk) -> None:
    desk.up("--instances", "2")
    info = info_of(desk)
    assert health_problem(info) is None
    assert silent_part(info) is None
    os.kill(info.pids["front"], signal.SIGKILL)
    assert eventually(lambda: not listens(port_of(info.url)))
    assert silent_part(info) == "proxy in front"
    assert (health_problem(info) or "").startswith(f"{info.url}: GET /live")
    _, err = desk.up("--instances", "2")
    assert "was up but not well" in err
    assert health_problem(info_of(desk)) is None


def test_another_way_to_the_service_is_another_stack(desk: Desk) -> None:
    desk.up("--instances", "2")
    _, err = desk.up("--instances", "2", "--tls", status=2)
    assert "is reached without TLS, not with --tls; end it first" in err
    _, err = desk.run("gate", "--target", str(desk.profile), "--mode", "reuse", "--tls", status=2)
    assert "is reached without TLS, not with --tls" in err
    _, err = desk.run("gate", "--target", str(desk.profile), "--mode", "reuse", "--instances", "3", status=2)
    assert "it has 2 instances, not 3" in err


def test_the_wanted_port_is_the_proxys(desk: Desk) -> None:
    with ScriptedServer(lambda _: None) as server:
        _, err = desk.up("--tls", "--port", str(server.port), status=4)
        assert f"port {server.port}" in err.splitlines()[0]
        port = server.port
    assert eventually(lambda: not listens(port))
    up = json.loads(desk.up("--json", "--instances", "2", "--port", str(port))[0])
    assert port_of(up["url"]) == port
    assert port not in [port_of(each["url"]) for each in up["instances"]]


@pytest.mark.parametrize("words", [["--tls"], ["--instances", "2"], ["--instances", "1"]])
def test_nothing_is_put_in_front_of_what_runs_already(desk: Desk, words: list[str]) -> None:
    _, err = desk.run("gate", "--url", "http://127.0.0.1:1", *words, status=2)
    assert err.startswith(f"error: {' '.join(words)}: nothing is put in front of what already runs; leave it out")


@pytest.mark.parametrize("command", ["up", "gate"])
def test_without_trustme_the_command_that_mends_it_is_named(desk: Desk, command: str) -> None:
    words = [command, "--target", str(desk.profile), "--tls"]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRUSTME, *words],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 4, ended.stderr
    mend = r"(make setup|pip install 'harness\[tls\]')"
    assert re.search(f"--tls: package trustme is not installed; install it: {mend}", ended.stderr)
    assert desk.status()["backend"] is None
